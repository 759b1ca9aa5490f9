# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A backup brought back."""

from __future__ import annotations

import re
import time
from typing import List, Optional, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import backup, backup_volumes, lookup, store, volume_restore
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import restore as _restore
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import retirement
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import database_copy
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database, described
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.after_restore import problems, restart_live
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Result, Stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

# Names that need no quotes.
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def run(stage: Stage) -> Result:
    """Restore into the place of the live database, or beside it."""
    into = stage.params["into"]
    with stage.lock():
        started = time.monotonic()
        database = lookup.database_of(stage.paths)
        if into:
            _check_name(database, into)
        with stage.steps.step("check"):
            wanted, installation = stage.params["backup"], stage.params["installation"]
            manifest = lookup.obtain(stage.paths, wanted, not stage.check_mode, installation)
        if stage.check_mode:
            return {"changed": True, "backup": manifest.id, "message": [f"backup {manifest.id} would be restored"]}
        lookup.require_fitting(database, manifest)
        if database is not None:
            _restore.require_space(database, manifest)
        if not into and manifest.volumes:
            volume_restore.require_space(manifest, docker.engine().data)
        if not into:
            retirement.complete(stage.paths)
        result = _beside(stage, database, manifest, into) if database and into else _live(stage, database, manifest)
        seconds = round(time.monotonic() - started, 2)
        facts = {"at": manifest.at, "revision": manifest.revision}
        said = _said(manifest, into, seconds)
        return {
            "changed": True,
            "backup": manifest.id,
            "rows": manifest.rows,
            "seconds": seconds,
            **facts,
            **result,
            "message": [said, *result["message"]],
        }


def _check_name(database: Optional[Database], into: str) -> None:
    if database is None:
        raise ReleaseError("CONFIG", "into is set, and the app has no database to restore one beside", "leave it out")
    if not NAME.fullmatch(into):
        raise ReleaseError("CONFIG", f"into is {into[:80]!r} and must be a name for a new database", "use small letters, digits and _")
    if database_copy.exists(database, into):
        raise ReleaseError("CONFIG", f"there is a database {into} at {database.title} already", "drop it, or choose another name")


def _said(manifest: Manifest, into: str, seconds: float) -> str:
    of = f"as it was at {manifest.at} (backup {manifest.id}, {manifest.kind})"
    if manifest.database is None:
        entries = sum(copied.entries for copied in manifest.volumes)
        return f"all that was kept is {of}: {entries} files and directories, compared with the manifest; {seconds:g} s"
    return (
        f"{into or manifest.database} is {of}: {manifest.rows} rows in "
        f"{len(manifest.tables)} tables at {described(manifest.revision)}, compared with the manifest; {seconds:g} s"
    )


def _beside(stage: Stage, database: Database, manifest: Manifest, into: str) -> Result:
    with stage.steps.step("restore"), _restore.restored(database, stage.paths, manifest) as copy:
        _restore.rename(database, copy.name, into)
    message = [f"The live database {database.name} was not touched", *_left_out(copy)]
    message += ["Nor were volumes: with into, a restore leaves them as they are"] if manifest.volumes else []
    return {"rows_before": None, "replaced": None, "kept": "", "ready": True, "maintenance": "off", "message": message}


def _live(stage: Stage, database: Optional[Database], manifest: Manifest) -> Result:
    present: Optional[Manifest] = None
    if database_copy.exists(database, database.name) if database else backup_volumes.to_copy(stage.paths, "restore"):
        with stage.steps.step("backup") as step:
            present = backup.take(stage.paths, database, "restore")
            step.update(backup=present.id, bytes=present.bytes)
    # A scheduled backup, which would keep the database from being renamed, waits.
    with store.alone(stage.paths), stage.steps.step("restore"), volume_restore.beside(stage.paths, manifest) as volumes:
        kept, notes = _swap(stage, database, manifest) if database else ("", [])
        said = volume_restore.swap(stage.paths, volumes)
    message = [f"Not in it: everything written after {manifest.at}", *said]
    if present and database:
        message.append(
            f"What was replaced had {present.rows} rows; it is the backup {present.id}, and until the next restore the database {kept}"
        )
    elif present:
        message.append(f"What was replaced is the backup {present.id}")
    message += notes
    if database is not None:
        with stage.steps.step("restart"):
            restart_live(stage.paths)
    with stage.steps.step("ready"):
        problem = problems(stage.paths, manifest)
    return {
        "rows_before": present.rows if present else None,
        "replaced": present.id if present else None,
        "kept": kept,
        "ready": not problem,
        "maintenance": "on" if problem else "off",
        "message": message + problem,
    }


def _swap(stage: Stage, database: Database, manifest: Manifest) -> Tuple[str, List[str]]:
    """Put the backup into the place of the live database; return what that one is called now, and what should be known."""
    with _restore.restored(database, stage.paths, manifest) as copy:
        kept, dropped = _restore.swap(database, copy.name)
    return kept, [*_left_out(copy), *(f"Dropped: {gone}, kept by an earlier restore" for gone in dropped)]


def _left_out(copy: _restore.Restored) -> List[str]:
    return [f"Left out, as the owner of the schema may not make it: {line}" for line in copy.left_out]
