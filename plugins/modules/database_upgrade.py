#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's data moved to another major of PostgreSQL."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_upgrade
short_description: Move an app's data to another major version of PostgreSQL
version_added: 1.0.0
description:
  - With O(step=copy), closes the database to all but superusers, takes a backup of kind C(upgrade), restores it into a server of
    O(image) that runs beside the old one on a volume of its own, and compares rows and checksums of each table and the schema's
    revision with the backup's manifest. When anything fails, the database is opened again and nothing is left of the new server.
  - Then the caller puts the new server into the place of the old one.
  - With O(step=finish), looks whether the live release is ready with it, and ends the upgrade. The old volume stays. An upgrade that
    died before the new server had the place, and is not wanted any more, is taken back.
  - With O(step=revert), instead, starts the old server again on its own volume and removes the new one.
  - An upgrade that died is ended by the next one. No release is made meanwhile.
extends_documentation_fragment: [fairlead.fastapi.stage]
options:
  step:
    description: What to do.
    type: str
    choices: [copy, finish, revert]
    required: true
  image:
    description: Image of the new server; it must be on the host.
    type: str
    required: true
  migrator:
    description: Role that owns the schema; see M(fairlead.fastapi.database_roles).
    type: str
    required: true
  migrator_password:
    description: That role's password.
    type: str
    required: true
  user:
    description: Role that the app logs in as.
    type: str
    required: true
  user_password:
    description: That role's password.
    type: str
    required: true
  settings:
    description: What each session of the migrator begins with, by name.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Fill a volume of PostgreSQL 17
  fairlead.fastapi.database_upgrade:
    step: copy
    app: shop
    run: "{{ run_id }}"
    owner: ops@controller
    image: postgres:17
    migrator: shop_migrator
    migrator_password: "{{ vault_migrator_password }}"
    user: shop
    user_password: "{{ vault_database_password }}"
    settings: {lock_timeout: 5s}
"""

RETURN = r"""
backup:
  description: Id of the backup that the data went by.
  returned: success, with O(step=copy), outside check mode
  type: str
tables:
  description: How many tables were compared.
  returned: success, with O(step=copy), outside check mode
  type: int
rows:
  description: How many rows there are in all of them.
  returned: success, with O(step=copy), outside check mode
  type: int
steps:
  description: What was done, with seconds.
  returned: always
  type: list
  elements: dict
code:
  description: Stable failure code.
  returned: failure
  type: str
"""

import contextlib
from typing import Any, Dict

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import versions as _versions
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import volume as _volume
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.roles import Role, Wanted
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import upgrade as _upgrade
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import upgrade_server as _upgrade_server
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import STAGE_OPTIONS, Result, Stage, main
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

OPTIONS: Dict[str, Any] = {
    **STAGE_OPTIONS,
    "step": {"type": "str", "choices": ["copy", "finish", "revert"], "required": True},
    "image": {"type": "str", "required": True},
    "migrator": {"type": "str", "required": True},
    "migrator_password": {"type": "str", "required": True, "no_log": True},
    "user": {"type": "str", "required": True},
    "user_password": {"type": "str", "required": True, "no_log": True},
    "settings": {"type": "dict", "required": True},
}


def upgrade(stage: Stage) -> Result:
    """Do one step."""
    if stage.check_mode:
        return {"changed": True}
    with stage.lock():
        return {"copy": copy, "finish": finish, "revert": revert}[stage.params["step"]](stage)


def copy(stage: Stage) -> Result:
    """Fill the new volume, after what an upgrade that died has left is cleared away."""
    p = stage.params
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


if __name__ == "__main__":
    main(upgrade, OPTIONS)
