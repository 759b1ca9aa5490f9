#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is live on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_status
short_description: Tell which release of an app is live on a host
version_added: 1.0.0
description:
  - Reads the route, the record of releases and the engine, and asks the live release whether it is ready. Changes nothing.
  - Compares what runs with what was recorded - image, bundle, environment, route, edge and data services.
options:
  app:
    description: The app's name.
    type: str
    required: true
  strict:
    description:
      - Fail when anything differs from what was recorded, when backups are not as they should be, when the live release is not ready,
        or when the kernel killed processes of it for memory since it was started.
      - Restarts and the image's own HEALTHCHECK are reported, and are no failure.
    type: bool
    default: false
requirements:
  - Python 3.9 or newer and Docker Engine, on the host.
attributes:
  check_mode:
    support: full
    description: Only reads.
  diff_mode:
    support: none
    description: Changes nothing.
author:
  - Fairlead contributors (@fairlead)
"""

EXAMPLES = r"""
- name: Ask what is live
  fairlead.fastapi.release_status:
    app: shop
  register: status
"""

RETURN = r"""
live:
  description: The live release; null when nothing is live.
  returned: success
  type: dict
health:
  description: V(ready), or what is wrong with the live release; then how often it restarted, and whether its HEALTHCHECK fails.
  returned: success
  type: str
previous:
  description: The release that a rollback would go back to; null when there is none.
  returned: success
  type: dict
releases:
  description: All releases on record, newest first.
  returned: success
  type: list
  elements: dict
drift:
  description: What differs from what was recorded, one sentence each.
  returned: success
  type: list
  elements: str
backup:
  description:
    - The newest backup (C(newest), null when there is none), how many there are (C(count)), how each kind went last (C(outcomes)),
      whether a drill restored the newest one (C(proved)), and what is wrong with them (C(problem)).
  returned: success
  type: dict
volumes:
  description:
    - The live release's volumes - C(name) in the Docker Engine, C(path), whether backups have it (C(backup)), C(bytes) on the disk, whether
      all of it was counted in time (C(complete)), and what is wrong with it (C(problem)).
  returned: success
  type: list
  elements: dict
updates:
  description:
    - What was published since the host got its images and packages, one sentence each - tags of the proxy and of the app's data services
      that mean another image by now, and packages of the engine that are held back. Empty where the registry does not answer.
  returned: success
  type: list
  elements: str
maintenance:
  description: Whether users get the maintenance page.
  returned: success
  type: bool
run:
  description: The last run, and whether it is unfinished; null when there was none.
  returned: success
  type: dict
"""

from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import outcomes
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base import proc
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.limits import killed_problem
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import verdict
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import rollback_target
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.snapshot import Snapshot, observe
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import drift as _drift
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import stage as _stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import updates
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.bake import unhealthy
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.preflight import require_directories
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import APP_OPTION, Result, Stage, brief, main
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes import volume_status
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


def status(stage: Stage) -> Result:
    """Read everything, change nothing."""
    require_directories(stage.paths)
    host = observe(stage.paths)
    ledger, live = host.ledger, host.live
    drift = [f"{damage}; the next run rebuilds it" for damage in (ledger.damage, stage.journal.damage) if damage]
    drift += _drift.findings(stage.paths, host).all
    unreached = _stage.unreached(stage.paths, host.bundle)
    drift += [f"users do not reach the live release: {problem}" for problem in unreached]
    backup = outcomes.state(stage.paths)
    volumes = volume_status.told(stage.paths.app, host.settings) if host.settings else []
    drift += [volume["problem"] for volume in volumes if volume["problem"]]
    problems, notes = _health(stage, host) if live else (["nothing is live"], [])
    if stage.params["strict"]:
        _refuse(drift, [f"backups: {backup['problem']}"] if backup["problem"] else [], [f"{live}: {each}" for each in problems if live])
    return {
        "changed": False,
        "live": brief(host.release),
        "health": "; ".join([*(problems or ["ready"]), *notes]),
        "previous": brief(rollback_target(ledger.releases, live).release),
        "releases": [brief(release) for release in reversed(ledger.releases)],
        "drift": drift,
        "backup": backup,
        "volumes": volumes,
        "updates": updates.available(stage.paths.app),
        "maintenance": stage.paths.maintenance.is_file(),
        "run": _last_run(stage),
    }


def _last_run(stage: Stage) -> Optional[Dict[str, Any]]:
    entry = stage.journal.last()
    if entry is None:
        return None
    names = ("run", "owner", "action", "release", "phase", "since", "code")
    return {**{name: getattr(entry, name) for name in names}, "unfinished": not entry.ended}


def _refuse(drift: List[str], backups: List[str], health: List[str]) -> None:
    found = [*drift, *backups, *health]
    if found:
        raise ReleaseError(
            "DRIFT",
            f"this host differs from its records in {len(found)} ways",
            "deploy the same tag again, which recreates what differs (data services and proxy: playbooks/provision.yml)"
            if drift or backups
            else "fix what is listed below, then deploy again",
            found,
        )


def _health(stage: Stage, host: Snapshot) -> Tuple[List[str], List[str]]:
    """Return what is wrong with the live release now, and what else should be known of it."""
    if host.bundle is None:
        return ["its bundle is damaged or gone"], []
    release, container = Candidate(stage.paths, host.bundle.release.id, host.bundle), host.container
    if container is None:
        return ["its container is gone"], []
    state, settings = container["State"], release.settings
    if not state["Running"] or state.get("Restarting"):
        return [f"its container is {state['Status']} (exit code {state['ExitCode']})"], []
    answer = release.listener(container).get(settings["ready_path"])
    killed = killed_problem(proc.killed_for_memory(state.get("Pid", 0)), int(settings["memory_bytes"]))
    problems = [problem for problem in (verdict(answer, settings["identity"], release.id), killed) if problem]
    count = container.get("RestartCount")
    notes = [f"restarted {count} times after it ended by itself"] if count else []
    return problems, [*notes, *filter(None, [unhealthy(state)])]


if __name__ == "__main__":
    main(status, {**APP_OPTION, "strict": {"type": "bool", "default": False}})
