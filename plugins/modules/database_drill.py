#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Proof that a backup can be restored."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_drill
short_description: Restore a backup beside the live database, compare it, and drop it
version_added: 1.0.0
description:
  - Restores a backup into a new database at the same server, compares revision, rows and a checksum of each table with what the backup's
    manifest says, and drops that database. The live one is not touched, and the app serves on.
  - Copies of volumes are extracted into a directory that only root can look into, compared, and removed.
  - The outcome is written down for M(fairlead.fastapi.release_status).
extends_documentation_fragment:
  - fairlead.fastapi.stage
options:
  backup:
    description: Id of the backup; empty for the newest.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Prove the newest backup
  fairlead.fastapi.database_drill:
    app: shop
    run: 5f0c2a
    owner: alice@laptop
"""

RETURN = r"""
backup:
  description: Id of the backup that was restored; in check mode that would be.
  returned: success
  type: str
seconds:
  description: How long restoring and comparing took.
  returned: success
  type: float
rows:
  description: How many rows were compared.
  returned: success
  type: int
bytes:
  description: Size of the dump.
  returned: success
  type: int
left_out:
  description: What the schema's owner may not make, and the data does not need, such as an extension that only a superuser makes.
  returned: success
  type: list
  elements: str
message:
  description: The same for people.
  returned: success
  type: str
steps:
  description: What was done, in order, with seconds.
  returned: always
  type: list
  elements: dict
code:
  description: Stable failure code.
  returned: failure
  type: str
serving:
  description: The release that users get now.
  returned: failure
  type: str
"""


from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import drill as _drill
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import lookup
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import described
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import STAGE_OPTIONS, Result, Stage, main
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

OPTIONS = {**STAGE_OPTIONS, "backup": {"type": "str", "default": ""}}


def drill(stage: Stage) -> Result:
    """Restore a backup for the proof of it."""
    with stage.lock():
        if stage.check_mode:
            return _look(stage)
        with stage.steps.step("restore"):
            proof = _drill.prove(stage.paths, stage.params["backup"])
        # What it made is gone again.
        return {"changed": False, **proof.facts, "message": _said(proof)}


def _said(proof: _drill.Proof) -> str:
    manifest = proof.manifest
    message = f"backup {manifest.id} ({manifest.kind}) was restored and compared in {proof.seconds:g} s: "
    copies = ", ".join(f"{copied.name} ({copied.entries} entries)" for copied in manifest.volumes)
    if manifest.database is None:
        return f"{message}the app has no database; extracted and compared: {copies}. The live files were not touched"
    message += f"{manifest.rows} rows in {len(manifest.tables)} tables at {described(manifest.revision)}, {manifest.bytes} bytes. "
    message += "The live database was not touched"
    message += f"; extracted and compared as well: {copies}" if copies else ""
    return message + "".join(f". Left out, as the owner of the schema may not make it: {line}" for line in proof.left_out)


def _look(stage: Stage) -> Result:
    try:
        lookup.database_of(stage.paths)
        manifest = lookup.obtain(stage.paths, stage.params["backup"], fetch=False)
    except ReleaseError as error:
        raise _drill.failed(error) from error
    return {"changed": False, "backup": manifest.id, "message": f"backup {manifest.id} would be restored and compared"}


if __name__ == "__main__":
    main(drill, OPTIONS)
