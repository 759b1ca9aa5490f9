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

import time

from ansible_collections.fairlead.fastapi.plugins.module_utils import _backup_restore, _backup_state
from ansible_collections.fairlead.fastapi.plugins.module_utils._backup_census import all_rows
from ansible_collections.fairlead.fastapi.plugins.module_utils._database import described
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._stage import STAGE_OPTIONS, Result, Stage, main

OPTIONS = {**STAGE_OPTIONS, "backup": {"type": "str", "default": ""}}


def drill(stage: Stage) -> Result:
    """Restore a backup for the proof of it."""
    with stage.lock():
        try:
            return _drill(stage)
        except ReleaseError as error:
            failure = ReleaseError(
                "DRILL_FAILED",
                f"the backup was not proved: {error.code}: {error.what}",
                f"until one is, do not rely on the backups: {error.todo}",
                error.details,
            )
            if not stage.check_mode:
                _backup_state.record(stage.paths, "drill", failure)
            raise failure from error


def _drill(stage: Stage) -> Result:
    started = time.monotonic()
    database = _backup_restore.require_database(stage.paths)
    with stage.steps.step("check"):
        manifest = _backup_restore.obtain(stage.paths, stage.params["backup"], fetch=not stage.check_mode)
    if stage.check_mode:
        return {"changed": False, "backup": manifest["id"], "message": f"backup {manifest['id']} would be restored and compared"}
    with stage.steps.step("restore"):
        _backup_restore.require_space(database, manifest)
        with _backup_restore.restored(database, stage.paths, manifest, _backup_restore.DRILL):
            pass  # what is of interest is that it holds what it should
    seconds, rows = round(time.monotonic() - started, 2), all_rows(manifest["tables"])
    _backup_state.record(stage.paths, "drill", backup=manifest["id"], seconds=seconds, rows=rows, bytes=manifest["bytes"])
    message = (
        f"backup {manifest['id']} ({manifest['kind']}) was restored and compared in {seconds:g} s: {rows} rows in "
        f"{len(manifest['tables'])} tables at {described(manifest['revision'])}, {manifest['bytes']} bytes. "
        "The live database was not touched"
    )
    # What it made is gone again.
    return {
        "changed": False,
        "backup": manifest["id"],
        "seconds": seconds,
        "rows": rows,
        "bytes": manifest["bytes"],
        "message": message,
    }


if __name__ == "__main__":
    main(drill, OPTIONS)
