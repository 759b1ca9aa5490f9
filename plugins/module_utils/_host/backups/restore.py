# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A backup brought back: into a new database, compared with its manifest, then into the place of the live one.

The live database is untouched until the new one holds what the manifest says, and then it is renamed, both in one transaction: there is no
moment, and no crash, with neither.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Iterator, List, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import backup, census, store
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.limits import MEGABYTE
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import version_table as _version_table
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.connection import DESK
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database_copy import SECONDS, create, exists
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.dump import failed, restore_dump
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.sql import identifier, literal
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

# The server itself waits up to 5 s for sessions that are just ending, at each of two databases.
SWAP_SECONDS = 30.0
SWAP_TRIES = 5
SHOWN_LINES = 10
# PostgreSQL cuts longer names.
NAME_BYTES = 63
RESTORE, DRILL = "restore", "drill"
UNTOUCHED = "the live database was not touched"

_DROP = "SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE {which} \\gexec"
_SWAP = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ({live}, {new}) AND pid <> pg_backend_pid();
SELECT format('ALTER DATABASE %I RENAME TO %I', {live}, {before}) AS aside,
       format('ALTER DATABASE %I RENAME TO %I', {new}, {live}) AS into \\gset
BEGIN;
:aside;
:into;
COMMIT;
"""


def require_space(database: Database, manifest: Manifest) -> None:
    """Check that a second database fits; of one that is elsewhere nothing is known.

    Raises:
        ReleaseError: DISK_SPACE.
    """
    if database.container is None:
        return
    data = docker.engine().data
    free = store.free_bytes(data)
    if free < manifest.database_bytes:
        raise ReleaseError(
            "DISK_SPACE",
            f"{free // MEGABYTE} MB are free at {data}; the restored database needs {manifest.database_bytes // MEGABYTE} MB",
            "free space there, then run this again",
        )


def _named(database: Database, what: str, when: str) -> str:
    suffix = f"_{what}_{when.lower().replace('-', '_')}"
    return database.name.encode()[: NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix


@dataclass(frozen=True)
class Restored:
    """A backup in a database of its own.

    Args:
        name: of that database.
        left_out: what the schema's owner may not make, and the data does not need.
    """

    name: str
    left_out: List[str]


@contextmanager
def restored(database: Database, paths: AppPaths, manifest: Manifest, what: str = RESTORE) -> Iterator[Restored]:
    """Restore a backup into a new database and yield it; it is gone afterwards, unless it was renamed.

    Args:
        database: the app's, beside which it is restored.
        paths: the app's files.
        manifest: of the backup.
        what: `RESTORE` or `DRILL`, which do not drop what the other one made.

    Raises:
        ReleaseError: RESTORE_FAILED when it could not be restored, or does not hold what the manifest says.
    """
    name = _named(database, what, manifest.id)
    try:
        # What a run that was killed left is of no use to anybody.
        drop(database, _named(database, what, ""), prefix=True)
        create(database, name)
        left_out = restore_dump(database, name, store.dump_of(paths, manifest.id))
        compare(database, name, manifest, backup.version_table(paths))
        yield Restored(name, left_out)
    except ReleaseError as error:
        if error.code not in ("DB_QUERY_FAILED", "DB_UNREACHABLE", "VERSION_TABLE"):
            raise
        raise failed(f"{error.what}; {UNTOUCHED}", error.details) from error
    finally:
        _drop_quietly(database, name)


def _drop_quietly(database: Database, name: str) -> None:
    try:
        drop(database, name)
    except ReleaseError:
        return  # the database is down; the next run drops it


def differences(database: Database, name: str, manifest: Manifest, version_table: str = _version_table.DEFAULT) -> List[str]:
    """Say in what a database differs from what a manifest has; nothing when it holds the same rows, to the last bit.

    Raises:
        ReleaseError: DB_QUERY_FAILED.
    """
    with census.moment(database, name) as moment:
        return census.differences(manifest, moment.look(version_table).revision, moment.tables())


def compare(database: Database, name: str, manifest: Manifest, version_table: str = _version_table.DEFAULT) -> None:
    """Check that a database holds what a manifest has.

    Raises:
        ReleaseError: RESTORE_FAILED with what differs; DB_QUERY_FAILED.
    """
    found = differences(database, name, manifest, version_table)
    if found:
        raise ReleaseError(
            "RESTORE_FAILED",
            f"the restored backup {manifest.id} differs from the database as it was backed up; {UNTOUCHED}",
            "restore another backup, and keep this one to find out why",
            found,
        )


def swap(database: Database, name: str) -> Tuple[str, List[str]]:
    """Put a restored database into the place of the live one; return what the old one is called now, and which earlier ones were dropped.

    Raises:
        ReleaseError: RESTORE_FAILED; then all is as it was.
    """
    if not exists(database, database.name):
        database.query(f"ALTER DATABASE {identifier(name)} RENAME TO {identifier(database.name)};", SWAP_SECONDS, DESK, admin=True)
        return "", []
    before = _named(database, "before", time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    script = _SWAP.format(live=literal(database.name), new=literal(name), before=literal(before))
    for attempt in range(1, SWAP_TRIES + 1):
        try:
            database.query(script, SWAP_SECONDS, DESK, admin=True)
            break
        except ReleaseError as error:
            # Who connected in the moment between is sent away once more.
            if attempt == SWAP_TRIES or not any("being accessed" in line for line in error.details):
                raise failed(f"the two databases could not be renamed; {UNTOUCHED}", error.details) from error
    return before, drop(database, _named(database, "before", ""), prefix=True, but=before)


def drop(database: Database, name: str, prefix: bool = False, but: str = "") -> List[str]:
    """Drop a database, or all whose names are made of this and a time, with whoever is in them; return their names.

    Raises:
        ReleaseError: DB_UNREACHABLE or DB_QUERY_FAILED.
    """
    # Where the database's own name had to be cut, the rest of it still tells.
    made = f"starts_with(datname, {literal(name)}) AND substr(datname, length({literal(name)}) + 1) ~ '^[0-9]{{8}}t[0-9]{{6}}z(_[0-9]+)?$'"
    which = f"{made} AND datname <> {literal(but)}" if prefix else f"datname = {literal(name)}"
    names = [row[0] for row in database.query(f"SELECT datname FROM pg_database WHERE {which};", database=DESK, admin=True)]
    if names:
        database.query(_DROP.format(which=which), SECONDS, DESK, admin=True)
    return names


def rename(database: Database, name: str, to: str) -> None:
    """Rename a database that nobody is in.

    Raises:
        ReleaseError: DB_QUERY_FAILED.
    """
    database.query(f"ALTER DATABASE {identifier(name)} RENAME TO {identifier(to)};", SWAP_SECONDS, DESK, admin=True)
