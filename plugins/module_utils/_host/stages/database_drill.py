# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Proof that a backup can be restored."""

from __future__ import annotations

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import drill as _drill
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import lookup
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import described
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Result, Stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


def run(stage: Stage) -> Result:
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
