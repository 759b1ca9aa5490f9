# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules of all stages share: options, lock and lease, the shape of results and failures.  Private to this collection."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fairlead.fastapi.plugins.module_utils import _bundle, _docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._candidate import remove_release
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError, redact
from ansible_collections.fairlead.fastapi.plugins.module_utils._files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._ledger import (
    Lease,
    Ledger,
    read_route,
    stage_lock,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._preflight import require_directories
from ansible_collections.fairlead.fastapi.plugins.module_utils._rules import find
from ansible_collections.fairlead.fastapi.plugins.module_utils._steps import Steps

Result = Dict[str, Any]

# Between two stages only the controller works; a minute covers a slow one and bounds the wait after a dead one.
LEASE_SECONDS = 60
# While a stage runs its lock protects it; the lease must only outlast it.
STAGE_SECONDS = 7200

NICE = 5
# The engine's own default.
DEFAULT_STOP_SECONDS = 10

APP_OPTION: Dict[str, Any] = {"app": {"type": "str", "required": True}}
STAGE_OPTIONS: Dict[str, Any] = {
    **APP_OPTION,
    "run": {"type": "str", "required": True},
    "owner": {"type": "str", "required": True},
}
RELEASE_OPTION: Dict[str, Any] = {"release": {"type": "str", "required": True}}


class Stage:
    """One run of a stage on one host.

    Args:
        module: its options tell the app, the run and the owner.
    """

    def __init__(self, module: AnsibleModule) -> None:
        self.params: Dict[str, Any] = module.params
        self.check_mode: bool = module.check_mode
        self.paths = AppPaths(module.params["app"])
        self.steps = Steps()
        self.lease = Lease(self.paths, module.params.get("run", ""), module.params.get("owner", ""))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the host's stage lock for this app.

        Raises:
            ReleaseError: NOT_PROVISIONED, or LOCKED when another stage runs.
        """
        require_directories(self.paths)
        with stage_lock(self.paths):
            yield

    def open(self) -> Ledger:
        """Take the lease, put the record in agreement with the route, and return the ledger.  Call with the lock held."""
        self.lease.take(STAGE_SECONDS)
        ledger = Ledger(self.paths)
        live = read_route(self.paths)
        if live and find(ledger.releases, live):
            ledger.mark_live(live)
        for record in [r for r in ledger.releases if r["status"] == "prepared"]:
            remove_release(self.paths, record["id"])
            record.update(status="failed", reason="INTERRUPTED")
        ledger.save()
        return ledger

    def resume(self) -> Ledger:
        """Check and extend the lease for a later stage of the same run.  Call with the lock held."""
        self.lease.require()
        self.lease.take(STAGE_SECONDS)
        return Ledger(self.paths)

    def give_up(self, ledger: Ledger, release: str, code: str) -> None:
        """Clear away a release that will not go live, remember why, and end the run's right to release."""
        record = ledger.get(release)
        if record["status"] == "prepared":
            remove_release(self.paths, release)
            record.update(status="failed", reason=code)
            ledger.save()
        else:
            stop_release(self.paths.app, release)
        self.lease.release()


def stop_release(app: str, release: str) -> None:
    """Stop what runs of a release, in-flight requests first, also when its bundle is gone."""
    for container in _docker.containers(app, release):
        if container["State"]["Running"]:
            # What Compose made of app_release_stop_grace_seconds when the container was created.
            _docker.stop(container["Id"], container["Config"].get("StopTimeout") or DEFAULT_STOP_SECONDS)


def brief(record: Optional[Dict[str, Any]]) -> Optional[Dict[str, Any]]:
    """Return what later stages and people need to know of a ledger record."""
    if record is None:
        return None
    keys = ("id", "tag", "image", "digest", "revision", "previous", "live_at", "status", "reason")
    return {key: record.get(key) for key in keys}


def serving(paths: AppPaths) -> str:
    """Say which release users get now."""
    live = read_route(paths)
    if live is None:
        return "nothing (no release is live here)"
    try:
        record = find(Ledger(paths).releases, live)
    except ReleaseError:
        record = None
    return f"{live} ({record['image']}:{record['tag']})" if record else live


def failure(error: ReleaseError, stage: Stage) -> Result:
    """Return the failed result of a stage: what, what serves now, what to do, evidence; without secrets."""
    given = [*(stage.params.get("secrets") or {}).values(), stage.params.get("registry_password")]
    secrets = [str(value) for value in given if value is not None]  # YAML may have made a number of one
    release = stage.params.get("release")
    if release and stage.paths.bundle(release).is_dir():
        secrets += _bundle.read_secrets(stage.paths, release).values()
    now_serving = serving(stage.paths)
    lines: List[str] = [f"{error.code}: {error.what}", f"Serving now: {now_serving}", f"To do: {error.todo}"]
    if error.details:
        lines += ["Evidence:", *(f"  {line}" for line in error.details)]
    return {
        "msg": redact("\n".join(lines), secrets),
        "code": error.code,
        "serving": now_serving,
        "steps": stage.steps.done,
    }


def main(work: Callable[[Stage], Result], options: Dict[str, Any]) -> None:
    """Run a stage as an Ansible module."""
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    # Users of the live release go first where the host is short of CPU; containers are not affected, only our own work.
    os.nice(NICE)
    stage = Stage(module)
    try:
        result = work(stage)
    except ReleaseError as error:
        module.fail_json(**failure(error, stage))
    module.exit_json(steps=stage.steps.done, **result)
