# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A backup of an app: a dump of its database that proves what it holds, and copies of its volumes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import backup_volumes, census, outcomes, store
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.listing import Listing, list_problem
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import environment
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths, now, sync_directory
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.limits import MEGABYTE
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.state import write_state
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import version_table as _version_table
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.connection import NOT_STARTED
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import has_record, read_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

DUMP_SECONDS = 6 * 3600.0
LIST_SECONDS = 600.0
# pg_dump gives up when a table stays locked for so long, instead of having the app's queries queue up behind it.
TABLE_LOCK_MILLISECONDS = 60_000
SHOWN_LINES = 10


def take(paths: AppPaths, database: Optional[Database], kind: str, release: Optional[str] = None) -> Manifest:
    """Back the database and the volumes up, prove that the backup can be read, and return its manifest.

    Args:
        paths: the app's files.
        database: the app's; None for an app without one.
        kind: ``scheduled``, ``migration``, ``manual``, ``restore`` or ``upgrade``.
        release: that it belongs to; the live one when left out.

    Raises:
        ReleaseError: BACKUP_FAILED or DISK_SPACE; there is then no file of it.
    """
    try:
        paths.backups.mkdir(mode=0o700, exist_ok=True)
        busy = database.is_migrating if database and kind == store.SCHEDULED else (lambda: False)
        with _told_as_failure(paths, database), store.alone(paths, busy):
            store.remove_partial(paths)
            manifest = _take(paths, database, kind, release or read_route(paths))
    except OSError as error:
        failure = _failed(_title(paths, database), f"{error.filename or paths.backups}: {error.strerror}", [])
        outcomes.record(paths, kind, failure)
        raise failure from error
    except ReleaseError as error:
        outcomes.record(paths, kind, error)
        raise
    outcomes.record(paths, kind, backup=manifest.id)
    return manifest


def _take(paths: AppPaths, database: Optional[Database], kind: str, release: Optional[str]) -> Manifest:
    started, at, identifier = time.monotonic(), now(), store.free_id(paths)
    partial, final = paths.backups / f".{identifier}.partial", store.dump_of(paths, identifier)
    try:
        if database is None:
            # An empty file, so that all backups are handled in the same way.
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        dumped = _dump(paths, database, partial) if database else {}
        checksum = store.sha256(partial)
        partial.replace(final)
        # After the dump: a file that a row names is written before the row.
        volumes = backup_volumes.take(paths, identifier, kind)
        if database is None and not volumes:
            raise _failed(paths.app, "it has no database, and no volume with backup: true in app_volumes", [])
        sync_directory(paths.backups)
        manifest = Manifest(
            identifier,
            kind,
            release,
            checksum,
            final.stat().st_size,
            round(time.monotonic() - started, 3),
            at,
            installation=outcomes.settings(paths).get("installation"),
            volumes=volumes,
            **dumped,
        )
        write_state(store.manifest_of(paths, identifier), manifest.as_dict())
    except BaseException:
        partial.unlink(missing_ok=True)
        if not store.manifest_of(paths, identifier).exists():
            final.unlink(missing_ok=True)
            backup_volumes.remove(paths, identifier)
        raise
    return manifest


def _dump(paths: AppPaths, database: Database, partial: Path) -> Dict[str, Any]:
    """Write the dump, and return what the manifest says of the database at that very moment."""
    with census.moment(database) as moment:
        look = moment.look(version_table(paths))
        _require_space(paths, look.size)
        with _dumping(database, moment.snapshot, partial) as dumping:
            tables = moment.tables()
            _end(database, dumping, partial)
    _verify(database, partial, len(tables))
    return {
        "database": database.name,
        "revision": list(look.revision),
        "database_bytes": look.size,
        "server_version": look.server,
        "tables": tables,
    }


@contextmanager
def _told_as_failure(paths: AppPaths, database: Optional[Database]) -> Iterator[None]:
    try:
        yield
    except ReleaseError as error:
        if error.code not in ("DB_QUERY_FAILED", "DB_UNREACHABLE", "VERSION_TABLE"):
            raise
        raise _failed(_title(paths, database), error.what, error.details) from error


def _title(paths: AppPaths, database: Optional[Database]) -> str:
    return database.shown if database else paths.app


def _failed(title: str, why: str, details: Sequence[str]) -> ReleaseError:
    return ReleaseError(
        "BACKUP_FAILED",
        f"{title} could not be backed up: {why}",
        "fix the cause, then test with playbooks/backup.yml",
        details,
    )


def _require_space(paths: AppPaths, wanted: int) -> None:
    """Check that even a dump that compresses badly fits.

    Raises:
        ReleaseError: DISK_SPACE.
    """
    free = store.free_bytes(paths.backups)
    if free < wanted:
        raise ReleaseError(
            "DISK_SPACE",
            f"{free // MEGABYTE} MB are free at {paths.backups}; the database has {wanted // MEGABYTE} MB, and its backup may need as much",
            "free space there, or keep fewer backups (db_backup_keep)",
        )


def _started(command: Sequence[str], stdin: Any, stdout: Any, stderr: Any) -> subprocess.Popen[bytes]:
    """Start a program whose streams are files: what passes there does not fit into memory."""
    streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
    return subprocess.Popen(command, env=environment(), **streams)  # pylint: disable=ansible-bad-function


@contextmanager
def _dumping(database: Database, snapshot: str, file: Path) -> Iterator[Tuple[subprocess.Popen[bytes], Any]]:
    options = ("--format=custom", "--compress=1", f"--snapshot={snapshot}", f"--lock-wait-timeout={TABLE_LOCK_MILLISECONDS}")
    command = database.command("pg_dump", *options, purpose="backup", whole=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(os.fdopen(handle, "wb"))
        errors = stack.enter_context(tempfile.TemporaryFile())
        process = stack.enter_context(_started(command, subprocess.DEVNULL, out, errors))
        try:
            yield process, errors
            os.fsync(out.fileno())
        finally:
            if process.poll() is None:
                process.kill()


def _end(database: Database, dumping: Tuple[subprocess.Popen[bytes], Any], file: Path) -> None:
    process, errors = dumping
    try:
        code: Optional[int] = process.wait(timeout=DUMP_SECONDS)
    except subprocess.TimeoutExpired:
        code = None
    if code != 0:
        errors.seek(0)
        how = f"exit code {code}" if code is not None else f"no end within {DUMP_SECONDS:g} s"
        said = file.read_bytes() if code == NOT_STARTED else errors.read()
        words = said.decode(errors="replace").strip().splitlines()[-SHOWN_LINES:]
        raise _failed(database.shown, f"pg_dump failed ({how}) after {file.stat().st_size} bytes", words)


def _verify(database: Database, file: Path, tables: int) -> None:
    """Have the dump read by the program that would restore it.

    Raises:
        ReleaseError: BACKUP_FAILED.
    """
    command = database.command("pg_restore", "--list", purpose="verification", seconds=LIST_SECONDS)
    with file.open("rb") as dump, _started(command, dump, subprocess.PIPE, subprocess.STDOUT) as process:
        # The program ends itself in time; this is for a client that hangs.
        guard = Timer(LIST_SECONDS + 10, process.kill)
        guard.start()
        try:
            # Counted as it comes: a role that may not even make a table can make a million large objects.
            listing = Listing.of(process.stdout or ())
            code = process.wait()
        finally:
            guard.cancel()
    problem = list_problem(code, listing, tables)
    if problem:
        words = [*listing.last]
        raise _failed(database.shown, f"its backup of {file.stat().st_size} bytes cannot be used: {problem}", words)


def version_table(paths: AppPaths) -> str:
    """Return the table that Alembic's revision is in, as the live release was told."""
    live = read_route(paths)
    told = read_record(paths, live).settings.get("migrate_version_table") if live and has_record(paths, live) else None
    return told or _version_table.DEFAULT
