#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A backup brought back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_restore
short_description: Restore a backup of an app's database and volumes
version_added: 1.0.0
description:
  - Checks the dump's checksum, restores it into a new database, and compares revision, rows and a checksum of each table with what the
    backup's manifest says. Only when all is the same, the live database and the new one are renamed, both in one transaction.
  - The old one is kept as C(<name>_before_<time>) until the next restore. The state that is replaced is backed up first.
  - Of an app without a database, volumes are all that is restored.
  - Volumes that the backup has copies of are extracted beside the live ones and compared. Then the release is stopped for a moment, and
    they are exchanged, each in one step. Their old files are kept until the next restore.
  - A backup that is only off this host is fetched.
  - The live release's containers are started again before it is asked whether it is ready, so that no pool of connections is left over
    from the replaced database.
  - Whoever dies, there is the old database or the restored one. What was half restored is dropped by the next run.
  - No release is under way meanwhile. Put users to the maintenance page first - what they write until the end of this is lost.
extends_documentation_fragment:
  - fairlead.fastapi.stage
options:
  backup:
    description: Id of the backup; empty for the newest. One that an earlier restore made of what it replaced is only taken by its id.
    type: str
    default: ''
  installation:
    description:
      - Which installation of the app the backup is of, when not of this one; the newest of its copies off the host, or O(backup).
    type: str
    default: ''
  into:
    description: Name of a new database to restore into, beside the live one; empty to replace the live one. Volumes are then left alone.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Go back to the newest backup
  fairlead.fastapi.database_restore:
    app: shop
    run: 5f0c2a
    owner: alice@laptop

- name: Look at an earlier state
  fairlead.fastapi.database_restore:
    app: shop
    run: 5f0c2a
    owner: alice@laptop
    backup: 20260131T020000Z
    into: shop_january
"""

RETURN = r"""
backup:
  description: Id of the backup that was restored; in check mode that would be.
  returned: success
  type: str
at:
  description: When the backup was made. What was written later is not in it.
  returned: success
  type: str
revision:
  description: The restored schema's.
  returned: success
  type: list
  elements: str
rows:
  description: How many rows there are now.
  returned: success
  type: int
rows_before:
  description: How many there were; null where nothing was replaced.
  returned: success
  type: int
replaced:
  description: Id of the backup of the state that was replaced; null where nothing was.
  returned: success
  type: str
kept:
  description: What the old database is called now; empty where nothing was replaced.
  returned: success
  type: str
ready:
  description:
    - Whether the live release is ready with the restored database.
    - True where nothing is live, and where the live database was not replaced.
  returned: success
  type: bool
maintenance:
  description: What the maintenance page should be now, V(on) or V(off).
  returned: success
  type: str
seconds:
  description: How long it took.
  returned: success
  type: float
message:
  description: All of it for people.
  returned: success
  type: list
  elements: str
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

import re
import time
from typing import List, Optional, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import backup, backup_volumes, lookup, store, volume_restore
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import restore as _restore
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import database_copy
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database, described
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.after_restore import problems, restart_live
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import STAGE_OPTIONS, Result, Stage, main
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

OPTIONS = {**STAGE_OPTIONS, **{name: {"type": "str", "default": ""} for name in ("backup", "installation", "into")}}
# Names that need no quotes.
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def restore(stage: Stage) -> Result:
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


if __name__ == "__main__":
    main(restore, OPTIONS)
