# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all stages share: lock and journal, the shape of results and failures."""

from __future__ import annotations

import contextlib
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.steps import Steps, Told
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import edge, retirement, site
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.registry import Registry
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import bundle
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import find
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import Ledger, read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import Release
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.snapshot import Snapshot
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import recovery
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.journal import Journal
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.preflight import require_directories
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import (
    ReleaseError,
    explain,
    presentable,
    printable_in,
    redact,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.stage_options import LEASE_SECONDS

Result = Dict[str, Any]


class Stage:
    """One run of a stage on one host.

    Args:
        params: its options, checked by the controller: shared/stage_options.py.
        check_mode: whether it may only look.
        steps: what it tells its steps to.
    """

    def __init__(self, params: Dict[str, Any], check_mode: bool, steps: Optional[Steps] = None) -> None:
        p = params
        self.params = p
        # Of the release to come; only the stages that begin a run are given them.
        self.settings: Settings = p.get("settings", {})
        self.check_mode = check_mode
        self.paths = AppPaths(p["app"])
        self.steps = steps or Steps()
        lease, wait = p.get("lease_seconds", LEASE_SECONDS), p.get("lock_wait", 0.0)
        self.journal = Journal(self.paths, p.get("run", ""), p.get("owner", ""), lease, wait, whole=bool(p.get("go_on")))
        self.warnings: List[str] = []
        # What was found of an earlier run that died, and what was done about it.
        self.told: List[str] = []

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the host's lock for this app; what fails meanwhile ends this run and clears its release away.

        Raises:
            ReleaseError: NOT_PROVISIONED, or LOCKED when another run is at work.
        """
        require_directories(self.paths)
        with contextlib.ExitStack() as held:
            # How long another run was waited for is a step only where waiting was asked for.
            with self.steps.step("wait") if self.params.get("lock_wait") else contextlib.nullcontext():
                waited = held.enter_context(self.journal.lock())
            self.warnings += [waited] if waited else []
            try:
                yield
            except ReleaseError as error:
                if not self.check_mode:
                    self._fail(error)
                raise

    def recover(self, host: Snapshot) -> Snapshot:
        """Clear up after an earlier run that died, and return what is there then.  Call with the lock held."""
        with self.steps.step("recover") as step:
            host, self.told = recovery.recover(self.paths, self.journal, host)
            step["told"] = self.told
        self.warnings += [*self.told, *retirement.cuts(self.paths)]
        return host

    def resume(self) -> Ledger:
        """Go on in a later stage of the same run, and return the ledger.  Call with the lock held."""
        self.journal.resume()
        return Ledger(self.paths)

    def registry(self, image: str) -> Registry:
        """Return the registry that an image is at, with the credentials given."""
        p = self.params
        return Registry(p["app"], image, p["registry_username"], p["registry_password"], float(self.settings["pull_seconds"]))

    def redact(self, text: str) -> str:
        """Return `text` without the secrets of the release that this stage is about."""
        return redact(text, self._secrets())

    def message(self, error: ReleaseError) -> str:
        """Return what people read: what happened, what serves now, what to do, evidence; without secrets."""
        return explain(error, serving(self.paths), self._secrets())

    def _fail(self, error: ReleaseError) -> None:
        # Before the release goes, so that its secrets are still known.
        error.message = self.message(error)
        # On a full disk, or without an engine, what cannot be done now is done by the next run.
        with contextlib.suppress(ReleaseError):
            self.journal.fail(error.code, error.message)
        with contextlib.suppress(ReleaseError):
            if self.journal.is_mine():
                recovery.clear_away(self.paths, self.journal, error.code)

    def _secrets(self) -> List[str]:
        given = [value for name in ("secrets", "migrate_secrets") for value in (self.params.get(name) or {}).values()]
        given.append(self.params.get("registry_password"))
        secrets = [str(value) for value in given if value is not None]  # YAML may have made a number of one
        for release in (self.params.get("release"), self._journalled()):
            if release and self.paths.bundle(release).is_dir():
                secrets += bundle.read_secrets(self.paths, release).values()
        return secrets

    def _journalled(self) -> Optional[str]:
        try:
            entry = self.journal.last()
        except ReleaseError:
            return None  # of another version; that is what the message says
        return entry.release if entry else None


def brief(release: Optional[Release]) -> Optional[Dict[str, Any]]:
    """Return what later stages and people need to know of a release."""
    if release is None:
        return None
    image = {"tag": release.image.tag, "image": release.image.repository, "digest": release.image.digest}
    return {**image, **{name: getattr(release, name) for name in ("id", "revision", "previous", "live_at", "status", "reason")}}


def serving(paths: AppPaths) -> str:
    """Say which release users get now: what the proxy answers, not only what is on record."""
    live = read_route(paths)
    if live is None:
        return "nothing (no release is live here)"
    try:
        release = find(Ledger(paths).releases, live)
    except ReleaseError:
        release = None
    named = release.title if release else live
    problems = unreached(paths, bundle.find_record(paths, live))
    return f"{named} by the record, but users do not reach it: {'; '.join(problems)}" if problems else named


def unreached(paths: AppPaths, live: Optional[bundle.BundleRecord]) -> List[str]:
    """Ask at each of the app's names as users do, and say where it is not the live release that answers.

    During maintenance users get the page on purpose, and of a damaged bundle it is not known what to ask.
    """
    if live is None or paths.maintenance.is_file():
        return []
    return edge.unreached(live.settings, site.hosts(paths, live.settings), live.release.id)


def failure(error: ReleaseError, stage: Stage) -> Result:
    """Return the failed result of a stage."""
    return {
        "msg": error.message or stage.message(error),
        "code": error.code,
        "serving": serving(stage.paths),
        "steps": stage.steps.done,
    }


def perform(work: Callable[[Stage], Result], params: Dict[str, Any], check_mode: bool, told: Optional[Told] = None) -> Result:
    """Run a stage and return its result, as Ansible knows results of modules; `told` hears of its steps meanwhile."""
    stage = Stage(params, check_mode, Steps(told) if told else None)
    try:
        result = work(stage)
    except ReleaseError as error:
        return {**printable_in(failure(error, stage)), "failed": True, "warnings": _warnings(stage)}
    result.update(steps=stage.steps.done, warnings=_warnings(stage))
    # The SQL of a plan is judged on the controller, where another character may be another statement.
    return {key: value if key == "plan" else printable_in(value) for key, value in result.items()}


def _warnings(stage: Stage) -> List[str]:
    return [presentable(stage.redact(warning)) for warning in stage.warnings]
