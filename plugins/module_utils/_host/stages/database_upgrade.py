# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's data moved to another major of PostgreSQL."""

from __future__ import annotations

import contextlib

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import retirement
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import versions as _versions
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import volume as _volume
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.roles import Role, Wanted
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import upgrade as _upgrade
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import upgrade_server as _upgrade_server
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Result, Stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


def run(stage: Stage) -> Result:
    """Do one step."""
    if stage.check_mode:
        return {"changed": True}
    with stage.lock():
        return {"copy": copy, "finish": finish, "revert": revert}[stage.params["step"]](stage)


def copy(stage: Stage) -> Result:
    """Fill the new volume, after what an upgrade that died has left is cleared away."""
    p = stage.params
    retirement.complete(stage.paths)
    image = _volume.find_image(p["image"])
    with stage.steps.step("recover") as step:
        step["told"] = _upgrade.revert(stage.paths)
    old = _volume.find_volume(stage.paths.app)
    if image is None or old is None:
        raise ReleaseError("UPGRADE_FAILED", f"there is no image {p['image']} or no data on this host", "run playbooks/provision.yml first")
    settings = {str(name): str(value) for name, value in p["settings"].items()}
    wanted = Wanted(Role(p["migrator"], p["migrator_password"]), Role(p["user"], p["user_password"]), settings)
    move = _upgrade_server.Move(stage.paths, old, _versions.chosen(stage.paths.app, image, old), image)
    manifest = _upgrade.copy(move, stage.steps, wanted)
    stage.warnings += [f"LEFT_OUT: {line}" for step in stage.steps.done for line in step.get("left_out", ())]
    return {"changed": True, "backup": manifest.id, "tables": len(manifest.tables), "rows": manifest.rows}


def finish(stage: Stage) -> Result:
    """End the upgrade, once the live release is ready with the new server; or give it up, where the old one has the place."""
    begun, volume = _volume.begun(stage.paths), _volume.find_volume(stage.paths.app)
    if begun and volume and volume.name == begun["from"]["volume"]:
        return revert(stage)
    live = read_route(stage.paths)
    if live is not None:
        with stage.steps.step("ready"):
            _await_again(stage, live, restart=begun is not None)
    return {"changed": _upgrade.finish(stage.paths) is not None}


def revert(stage: Stage) -> Result:
    """Have the old server again."""
    with stage.steps.step("revert"):
        entry = _upgrade.revert(stage.paths)
    live = read_route(stage.paths)
    if entry is not None and live is not None:
        # Users are let in again next. Whether the app is well is not what an upgrade is about.
        with stage.steps.step("ready"), contextlib.suppress(ReleaseError):
            _await_again(stage, live, restart=True)
    return {"changed": entry is not None}


def _await_again(stage: Stage, live: str, restart: bool) -> None:
    release = Candidate(stage.paths, live)
    if restart:  # its pools hold connections to the server that was replaced
        release.restart()
    release.await_ready()
