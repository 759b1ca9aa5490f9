# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Last stage of a deploy and of a rollback."""

from __future__ import annotations

from typing import List, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge.drain import cut_warning, pause_after_switch, stop_release
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import retention
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import settings_of
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.containers import running_releases
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Result, Stage, brief
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


def run(stage: Stage) -> Result:
    """Stop the old, remove the oldest, end the run."""
    if stage.check_mode:
        return {"changed": True}
    with stage.lock():
        ledger = stage.resume()
        live = Candidate(stage.paths, stage.params["release"])
        _require_live(stage, live)
        with stage.steps.step("drain") as step:
            stopped, step["cut"] = _stop_others(stage, live)
        if step["cut"]:
            stage.warnings.append(cut_warning(step["cut"], stopped))
        with stage.steps.step("prune"):
            pruned = retention.prune(stage.paths, ledger, live.id, int(live.settings["keep"]))
        stage.journal.enter("COMMITTED")
        record = brief(ledger.get(live.id))
        return {"changed": True, "release": record, "stopped": stopped, "cut": step["cut"], "pruned": pruned}


def _require_live(stage: Stage, release: Candidate) -> None:
    named = read_route(stage.paths)
    if named != release.id:
        raise ReleaseError(
            "NOT_LIVE",
            f"{release.title} is not live here, {named or 'nothing'} is",
            "see playbooks/status.yml, then deploy again",
        )


def _stop_others(stage: Stage, live: Candidate) -> Tuple[List[str], int]:
    """Stop every other release that runs; return their ids, and how many requests their limits cut."""
    others = [release for release in running_releases(docker.containers(stage.paths.app)) if release != live.id]
    if others:
        pause_after_switch(stage.paths.route, float(live.settings["drain_seconds"]))
    cut = 0
    for release in others:
        cut += stop_release(stage.paths.app, release, settings_of(stage.paths, release))
    return others, cut
