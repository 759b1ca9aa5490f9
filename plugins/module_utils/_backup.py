# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dumps of an app's database that prove what they hold.  Private to this collection."""

from __future__ import annotations

import calendar
import contextlib
import fcntl
import hashlib
import json
import os
import re
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils import _backup_census
from ansible_collections.fairlead.fastapi.plugins.module_utils._bundle import has_record, read_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._database import MIGRATION_LOCK, Database
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._files import AppPaths, now, sync_directory
from ansible_collections.fairlead.fastapi.plugins.module_utils._ledger import read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._limits import MEGABYTE
from ansible_collections.fairlead.fastapi.plugins.module_utils._state import read_state, write_state

Manifest = Dict[str, Any]

KEYS = ("id", "kind", "database", "revision", "release", "sha256", "bytes", "database_bytes", "seconds", "at", "server_version", "tables")
SCHEDULED = "scheduled"
# Of each other kind as many stay, however many are made.
KEEP_OTHERS = 5
VERSION_TABLE = "alembic_version"
DUMP_SECONDS = 6 * 3600.0
LIST_SECONDS = 600.0
# One that is under way is waited for; the right to release is held meanwhile.
WAIT_SECONDS = 1800.0
POLL_SECONDS = 0.2
# pg_dump gives up when a table stays locked for so long, instead of having the app's queries queue up behind it.
TABLE_LOCK_MILLISECONDS = 60_000
SHOWN_LINES = 10
CHUNK = 1024 * 1024
_ID = re.compile(r"\d{8}T\d{6}Z(-\d+)?")
_MIGRATING = f"""
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
  AND (classid::bigint << 32 | objid::bigint) = {MIGRATION_LOCK}::bigint
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
"""


def settings_file(paths: AppPaths) -> Path:
    """Return where the role db_backup wrote what it was told; missing where backups are not scheduled."""
    return paths.home / "backup.d" / "settings.json"


def settings(paths: AppPaths) -> Dict[str, Any]:
    """Return what the role db_backup was told; empty where backups are not scheduled."""
    try:
        return dict(json.loads(settings_file(paths).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


def take(paths: AppPaths, database: Database, kind: str, release: Optional[str] = None) -> Manifest:
    """Back the database up, prove that the backup can be read, and return its manifest.

    Args:
        paths: the app's files.
        database: the app's.
        kind: ``scheduled``, ``migration``, ``manual``, ``restore`` or ``upgrade``.
        release: that it belongs to; the live one when left out.

    Raises:
        ReleaseError: BACKUP_FAILED or DISK_SPACE; there is then no file of it.
    """
    try:
        paths.backups.mkdir(mode=0o700, exist_ok=True)
        busy = (lambda: database.query(_MIGRATING)[0][0] != "0") if kind == SCHEDULED else (lambda: False)
        with _told_as_failure(database), alone(paths, busy):
            _remove_partial(paths)
            manifest = _take(paths, database, kind, release or read_route(paths))
    except OSError as error:
        failure = _failed(database, f"{error.filename or paths.backups}: {error.strerror}", [])
        record(paths, kind, failure)
        raise failure from error
    except ReleaseError as error:
        record(paths, kind, error)
        raise
    record(paths, kind, backup=manifest["id"])
    return manifest


@contextmanager
def alone(paths: AppPaths, busy: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Hold the lock on the backups.

    Args:
        paths: the app's files; the directory of its backups must be there.
        busy: whether something else is under way that must not run beside; asked with the lock held, which is given back meanwhile.

    Raises:
        ReleaseError: BACKUP_FAILED when it is not free after a long while.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    handle = os.open(paths.backups, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while not _locked(handle, busy):
            if time.monotonic() > deadline:
                raise ReleaseError(
                    "BACKUP_FAILED",
                    f"another backup or a migration of {paths.app} is under way for more than {WAIT_SECONDS / 60:g} minutes",
                    f"see what it is: systemctl status fairlead-backup-{paths.app}; playbooks/status.yml",
                )
            time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(handle)


def _locked(handle: int, busy: Callable[[], bool]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    if busy():
        fcntl.flock(handle, fcntl.LOCK_UN)
        return False
    return True


def _take(paths: AppPaths, database: Database, kind: str, release: Optional[str]) -> Manifest:
    started, at, identifier = time.monotonic(), now(), _free_id(paths)
    partial, final = paths.backups / f".{identifier}.partial", dump_of(paths, identifier)
    try:
        with _backup_census.moment(database) as moment:
            look = moment.look(version_table(paths))
            _require_space(paths, look.size)
            with _dumping(database, moment.snapshot, partial) as dumping:
                tables = moment.tables()
                _end(database, dumping, partial)
        _verify(database, partial, len(tables))
        checksum = sha256(partial)
        partial.replace(final)
        sync_directory(paths.backups)
        manifest = {
            "id": identifier,
            "kind": kind,
            "database": database.name,
            "revision": list(look.revision),
            "release": release,
            "sha256": checksum,
            "bytes": final.stat().st_size,
            "database_bytes": look.size,
            "seconds": round(time.monotonic() - started, 3),
            "at": at,
            "server_version": look.server,
            "tables": tables,
        }
        write_state(manifest_of(paths, identifier), manifest)
    except BaseException:
        partial.unlink(missing_ok=True)
        if not manifest_of(paths, identifier).exists():
            final.unlink(missing_ok=True)
        raise
    return {"schema": 1, **manifest}


@contextmanager
def _told_as_failure(database: Database) -> Iterator[None]:
    try:
        yield
    except ReleaseError as error:
        if error.code not in ("DB_QUERY_FAILED", "DB_UNREACHABLE"):
            raise
        raise _failed(database, error.what, error.details) from error


def _failed(database: Database, why: str, details: Sequence[str]) -> ReleaseError:
    return ReleaseError(
        "BACKUP_FAILED",
        f"{database.name} at {database.title} could not be backed up: {why}",
        "mend what is named, then try it by itself: playbooks/backup.yml",
        details,
    )


def _require_space(paths: AppPaths, wanted: int) -> None:
    """Check that even a dump that compresses badly fits.

    Raises:
        ReleaseError: DISK_SPACE.
    """
    free = free_bytes(paths.backups)
    if free < wanted:
        raise ReleaseError(
            "DISK_SPACE",
            f"{free // MEGABYTE} MB are free at {paths.backups}; the database has {wanted // MEGABYTE} MB, and its backup may need as much",
            "free space there, or keep fewer backups (db_backup_keep)",
        )


def free_bytes(directory: Path) -> int:
    """Return the bytes that are free in a directory's file system."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


@contextmanager
def _dumping(database: Database, snapshot: str, file: Path) -> Iterator[Tuple[subprocess.Popen[bytes], Any]]:
    options = ("--format=custom", "--compress=1", f"--snapshot={snapshot}", f"--lock-wait-timeout={TABLE_LOCK_MILLISECONDS}")
    command = database.command("pg_dump", *options, purpose="backup")
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(os.fdopen(handle, "wb"))
        errors = stack.enter_context(tempfile.TemporaryFile())
        process = stack.enter_context(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors))
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
        words = errors.read().decode(errors="replace").strip().splitlines()[-SHOWN_LINES:]
        raise _failed(database, f"pg_dump failed ({how}) after {file.stat().st_size} bytes", words)


def _verify(database: Database, file: Path, tables: int) -> None:
    """Have the dump read by the program that would restore it.

    Raises:
        ReleaseError: BACKUP_FAILED.
    """
    with file.open("rb") as dump:
        command = database.command("pg_restore", "--list", purpose="verification", seconds=LIST_SECONDS)
        try:
            done = subprocess.run(command, stdin=dump, capture_output=True, timeout=LIST_SECONDS + 10, check=False)
        except subprocess.TimeoutExpired as error:
            raise _failed(database, f"its backup could not be read within {LIST_SECONDS:g} s", []) from error
    problem = list_problem(done.returncode, done.stdout.decode(errors="replace"), tables)
    if problem:
        words = done.stderr.decode(errors="replace").strip().splitlines()[-SHOWN_LINES:]
        raise _failed(database, f"its backup of {file.stat().st_size} bytes cannot be used: {problem}", words)


def list_problem(code: int, listing: str, tables: int) -> Optional[str]:
    """Say why a dump that pg_restore listed is none; None when it is one.

    Args:
        code: pg_restore's exit code.
        listing: what it printed.
        tables: how many tables were counted, each of which must have its data in the dump.
    """
    if code:
        return f"pg_restore --list failed (exit code {code})"
    entries = [line for line in listing.splitlines() if line and not line.startswith(";")]
    data = [line for line in entries if " TABLE DATA " in line]
    if len(data) < tables:
        return f"it has the data of {len(data)} tables, {tables} were counted"
    return None if entries or not tables else "it is empty"


def version_table(paths: AppPaths) -> str:
    """Return the table that Alembic's revision is in, as the live release was told."""
    live = read_route(paths)
    told = read_record(paths, live)["settings"].get("migrate_version_table") if live and has_record(paths, live) else None
    return told or VERSION_TABLE


def dump_of(paths: AppPaths, identifier: str) -> Path:
    """Return where a backup's dump lies."""
    return paths.backups / f"{identifier}.dump"


def manifest_of(paths: AppPaths, identifier: str) -> Path:
    """Return where a backup's manifest lies."""
    return paths.backups / f"{identifier}.json"


def is_id(text: str) -> bool:
    """Tell whether a backup can have this id; nothing else becomes a part of a path."""
    return _ID.fullmatch(text) is not None


def sha256(file: Path) -> str:
    """Return a file's checksum."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def manifests(paths: AppPaths) -> List[Manifest]:
    """Return the manifests of the backups on this host, newest first; those that are damaged, or have no dump, are left out."""
    found = []
    for file in paths.backups.glob("*.json"):
        if is_id(file.stem) and dump_of(paths, file.stem).exists():
            with contextlib.suppress(ReleaseError):  # of another version
                stored = read_state(file, KEYS)
                if stored.body and not stored.damage:
                    found.append({"schema": 1, **stored.body})
    return sorted(found, key=lambda manifest: order(manifest["id"]), reverse=True)


def order(identifier: str) -> Tuple[str, int]:
    """Return what sorts ids by age; a number counts as one."""
    time_of, _, number = identifier.partition("-")
    return time_of, int(number or 1)


def prune(paths: AppPaths, keep: int) -> List[str]:
    """Remove backups beyond what is kept, and return their ids.

    Args:
        paths: the app's files.
        keep: how many scheduled ones stay.
    """
    with alone(paths):
        gone = to_prune(manifests(paths), keep)
        for identifier in gone:
            # A dump without its manifest is taken away later; a manifest without its dump would promise something.
            manifest_of(paths, identifier).unlink()
            dump_of(paths, identifier).unlink()
    return gone


def to_prune(newest_first: Sequence[Manifest], keep: int) -> List[str]:
    """Return which backups go: never the newest, whatever the numbers say."""
    scheduled = [manifest["id"] for manifest in newest_first if manifest["kind"] == SCHEDULED]
    kinds = {manifest["kind"] for manifest in newest_first} - {SCHEDULED}
    others = [[manifest["id"] for manifest in newest_first if manifest["kind"] == kind] for kind in sorted(kinds)]
    gone = {*scheduled[max(keep, 1) :], *(identifier for ids in others for identifier in ids[KEEP_OTHERS:])}
    return [manifest["id"] for manifest in newest_first[1:] if manifest["id"] in gone]


def clear_partial(paths: AppPaths) -> None:
    """Remove what a process was writing when it was killed; nothing while a backup is under way."""
    try:
        handle = os.open(paths.backups, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if _locked(handle, lambda: False):
            _remove_partial(paths)
    finally:
        os.close(handle)


def _remove_partial(paths: AppPaths) -> None:
    for file in paths.backups.glob(".*.*"):
        file.unlink(missing_ok=True)
    for file in paths.backups.glob("*.dump"):
        # The manifest comes last: without it the dump was never finished, or is being removed.
        if is_id(file.stem) and not manifest_of(paths, file.stem).exists():
            file.unlink(missing_ok=True)


def _free_id(paths: AppPaths) -> str:
    base = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    number, identifier = 1, base
    while dump_of(paths, identifier).exists() or manifest_of(paths, identifier).exists():
        number += 1
        identifier = f"{base}-{number}"
    return identifier


def record(paths: AppPaths, kind: str, error: Optional[ReleaseError] = None, **facts: Any) -> None:
    """Write down how the last attempt of a kind ended; where that cannot be written, the attempt's own outcome still tells."""
    outcome = {"ok": error is None, "at": now(), **facts}
    if error is not None:
        outcome.update(code=error.code, what=error.what)
    with contextlib.suppress(ReleaseError, OSError):
        write_state(_state_file(paths), {"outcomes": {**outcomes(paths), kind: outcome}})


def outcomes(paths: AppPaths) -> Dict[str, Dict[str, Any]]:
    """Return how the last attempt of each kind ended: of backup, and ``offsite``, ``retention`` and ``drill``."""
    try:
        stored = read_state(_state_file(paths), ("outcomes",))
    except ReleaseError:
        return {}
    return dict(stored.body["outcomes"]) if stored.body else {}


def _state_file(paths: AppPaths) -> Path:
    return paths.backups / "state.json"


def state(paths: AppPaths) -> Dict[str, Any]:
    """Return what `status` tells: the newest backup without its tables, how many there are, the last outcomes, what is wrong."""
    found = manifests(paths)
    newest = {key: value for key, value in found[0].items() if key != "tables"} if found else None
    return {"newest": newest, "count": len(found), "outcomes": outcomes(paths), "problem": problem(paths)}


def problem(paths: AppPaths) -> Optional[str]:
    """Say what is wrong with the backups; None when nothing is, or none are wanted here."""
    told = settings(paths)
    found = manifests(paths)
    since = _seconds(found[0]["at"]) if found else settings_file(paths).stat().st_mtime if told else time.time()
    return judged(outcomes(paths), bool(found), (time.time() - since) / 3600, told.get("oldest_hours"))


def judged(last: Dict[str, Dict[str, Any]], any_there: bool, hours: float, oldest_hours: Optional[float]) -> Optional[str]:
    """Say what is wrong with the backups; None when nothing is.

    Args:
        last: outcomes by kind.
        any_there: whether there is any backup.
        hours: age of the newest, or how long none was made.
        oldest_hours: how old the newest may be; None when none are scheduled.
    """
    words = {SCHEDULED: "backup", "retention": "removal of old backups", "offsite": "copy off this host", "drill": "restore drill"}
    for kind, name in words.items():
        outcome = last.get(kind)
        if outcome and not outcome["ok"]:
            name = f"scheduled {name}" if kind == SCHEDULED else name
            return f"the last {name} failed at {outcome['at']}: {outcome['code']}: {outcome['what']}"
    if oldest_hours is not None and hours > oldest_hours:
        return f"the newest backup is {hours:.0f} hours old" if any_there else f"no backup was made in {hours:.0f} hours"
    return None


def _seconds(at: str) -> float:
    return float(calendar.timegm(time.strptime(at, "%Y-%m-%dT%H:%M:%SZ")))
