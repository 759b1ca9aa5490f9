# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Last stage of a deploy and of a rollback."""

from __future__ import annotations

from typing import List

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import retirement
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge.drain import cut_warning
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import retention
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.containers import running_releases
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import Ledger, read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Result, Stage, brief
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


def run(stage: Stage) -> Result:
    """Have the old release stopped, remove the oldest, end the run."""
    if stage.check_mode:
        return {"changed": True}
    with stage.lock():
        ledger = stage.resume()
        live = Candidate(stage.paths, stage.params["release"])
        _require_live(stage, live)
        with stage.steps.step("retire") as step:
            step["retired"] = retired = _retire_others(stage, ledger, live)
        with stage.steps.step("prune"):
            pruned = retention.prune(stage.paths, ledger, live.id, int(live.settings["keep"]))
        stage.journal.enter("COMMITTED")
        record = brief(ledger.get(live.id))
        return {"changed": True, "release": record, "retired": retired, "pruned": pruned}


def _require_live(stage: Stage, release: Candidate) -> None:
    named = read_route(stage.paths)
    if named != release.id:
        raise ReleaseError(
            "NOT_LIVE",
            f"{release.title} is not live here, {named or 'nothing'} is",
            "see playbooks/status.yml, then deploy again",
        )


def _retire_others(stage: Stage, ledger: Ledger, live: Candidate) -> List[str]:
    """Have every other release that runs stopped, and return their ids; the one to go back to may stay warm for a while."""
    others = [release for release in running_releases(docker.containers(stage.paths.app)) if release != live.id]
    before = ledger.get(live.id).previous
    for release in others:
        warm = stage.params["warm_seconds"] if release == before else 0.0
        if not retirement.begin(stage.paths, release, warm):  # systemd does not take the order
            cut = retirement.drain(stage.paths, release)
            stage.warnings += [cut_warning(cut, [release])] if cut else []
    return others
