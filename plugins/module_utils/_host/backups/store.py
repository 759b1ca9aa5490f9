# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's backups on the host: each a dump and a manifest, under one lock."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, List, Sequence, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.state import UNREADABLE, read_state
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

KEYS = ("id", "kind", "database", "revision", "release", "sha256", "bytes", "database_bytes", "seconds", "at", "server_version", "tables")
SCHEDULED = "scheduled"
# Of each other kind as many stay, however many are made.
KEEP_OTHERS = 5
# One that is under way is waited for; the right to release is held meanwhile.
WAIT_SECONDS = 1800.0
POLL_SECONDS = 0.2
ARCHIVE = ".tar.gz"
CHUNK = 1024 * 1024
_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z(-[0-9]{1,6})?")


def dump_of(paths: AppPaths, identifier: str) -> Path:
    """Return where a backup's dump lies."""
    return paths.backups / f"{identifier}.dump"


def manifest_of(paths: AppPaths, identifier: str) -> Path:
    """Return where a backup's manifest lies."""
    return paths.backups / f"{identifier}.json"


def volume_archive(paths: AppPaths, identifier: str, volume: str) -> Path:
    """Return where a backup's copy of a volume lies."""
    return paths.backups / f"{identifier}.{volume}{ARCHIVE}"


def volume_archives(paths: AppPaths, identifier: str) -> List[Path]:
    """Return the copies of volumes that are there of a backup."""
    return sorted(paths.backups.glob(f"{identifier}.*{ARCHIVE}"))


def files_of(paths: AppPaths, identifier: str) -> List[Path]:
    """Return all files of a backup."""
    return [dump_of(paths, identifier), manifest_of(paths, identifier), *volume_archives(paths, identifier)]


def is_archive(name: str, identifier: str) -> bool:
    """Tell whether a file of this name can be a copy of a volume in a backup."""
    return re.fullmatch(rf"{re.escape(identifier)}\.[a-z][a-z0-9-]*{re.escape(ARCHIVE)}", name) is not None


def archives_in(manifest: Path, identifier: str) -> List[str]:
    """Return the names of the copies of volumes that a manifest has; nothing else becomes a part of a path."""
    body = read_state(manifest, KEYS).body or {}
    names = [str(facts.get("file")) for facts in body.get("volumes", [])]
    return [name for name in names if is_archive(name, identifier)]


def is_id(text: str) -> bool:
    """Tell whether a backup can have this id; nothing else becomes a part of a path."""
    return _ID.fullmatch(text) is not None


def free_id(paths: AppPaths) -> str:
    """Return the id of a backup made now."""
    base = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    number, identifier = 1, base
    while dump_of(paths, identifier).exists() or manifest_of(paths, identifier).exists():
        number += 1
        identifier = f"{base}-{number}"
    return identifier


def order(identifier: str) -> Tuple[str, int]:
    """Return what sorts ids by age; a number counts as one."""
    time_of, dummy, number = identifier.partition("-")
    return time_of, int(number or 1)


def manifests(paths: AppPaths) -> List[Manifest]:
    """Return the manifests of the backups on this host, newest first; those that are damaged, or have no dump, are left out."""
    found = []
    for file in paths.backups.glob("*.json"):
        if is_id(file.stem) and dump_of(paths, file.stem).exists():
            with contextlib.suppress(ReleaseError, *UNREADABLE):  # of another version
                stored = read_state(file, KEYS)
                # What a manifest says becomes a part of paths: it is that of its own file, or none.
                if stored.body and not stored.damage and stored.body["id"] == file.stem:
                    found.append(Manifest.from_dict(stored.body))
    return sorted(found, key=lambda manifest: order(manifest.id), reverse=True)


def sha256(file: Path) -> str:
    """Return a file's checksum."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def free_bytes(directory: Path) -> int:
    """Return the bytes that are free in a directory's file system."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


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
            for archive in volume_archives(paths, identifier):
                archive.unlink()
    return gone


def to_prune(newest_first: Sequence[Manifest], keep: int) -> List[str]:
    """Return which backups go: never the newest, whatever the numbers say."""
    scheduled = [manifest.id for manifest in newest_first if manifest.kind == SCHEDULED]
    kinds = {manifest.kind for manifest in newest_first} - {SCHEDULED}
    others = [[manifest.id for manifest in newest_first if manifest.kind == kind] for kind in sorted(kinds)]
    gone = {*scheduled[max(keep, 1) :], *(identifier for ids in others for identifier in ids[KEEP_OTHERS:])}
    return [manifest.id for manifest in newest_first[1:] if manifest.id in gone]


def clear_partial(paths: AppPaths) -> None:
    """Remove what a process was writing when it was killed; nothing while a backup is under way."""
    try:
        handle = os.open(paths.backups, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if _locked(handle, lambda: False):
            remove_partial(paths)
    finally:
        os.close(handle)


def remove_partial(paths: AppPaths) -> None:
    """Remove what is no finished backup; for who holds the lock on the backups."""
    for file in paths.backups.glob(".*.*"):
        if file.is_dir():
            shutil.rmtree(file, ignore_errors=True)
        else:
            file.unlink(missing_ok=True)
    for file in (*paths.backups.glob("*.dump"), *paths.backups.glob(f"*{ARCHIVE}")):
        # The manifest comes last: without it the rest was never finished, or is being removed.
        identifier = file.name.partition(".")[0]
        if is_id(identifier) and not manifest_of(paths, identifier).exists():
            file.unlink(missing_ok=True)
