# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is live on a host."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import outcomes
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base import proc
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.limits import killed_problem
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import verdict
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import retirement
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import rollback_target
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.snapshot import Snapshot, observe
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import drift as _drift
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import stage as _stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import updates
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.bake import unhealthy
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.preflight import require_directories
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Result, Stage, brief
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes import volume_status
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


def run(stage: Stage) -> Result:
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
        "retiring": [release for release in host.running if release != live and retirement.is_under_way(stage.paths.app, release)],
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
