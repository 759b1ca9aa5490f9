# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes brought back: extracted beside the live ones, compared, then exchanged with them.

The kernel exchanges two directories in one step: whoever dies, a volume has its old files or the restored ones.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest, VolumeCopy
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.store import alone, free_bytes, volume_archive
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import run
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.limits import MEGABYTE
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge.drain import stop_release
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import has_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.containers import running_releases
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes import app_volumes, volume_copy, volume_read
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes.app_volumes import AppVolume
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

# Beside a volume's own directory, in the directory that the engine keeps for it: no container sees them.
RESTORE, BEFORE = "fairlead-restore-", "fairlead-before-"
REMOVE_SECONDS = 3600.0
# From linux/fs.h and fcntl.h.
RENAME_EXCHANGE = 2
AT_FDCWD = -100


@dataclass(frozen=True)
class Restored:
    """A volume whose files from a backup lie beside its live ones.

    Args:
        volume: which one.
        live: where its files are.
        beside: where the restored ones are.
    """

    volume: AppVolume
    live: Path
    beside: Path


def require_space(manifest: Manifest, directory: Path) -> None:
    """Check that the files of a backup's volumes fit into a directory's file system.

    Raises:
        ReleaseError: DISK_SPACE.
    """
    wanted = sum(copied.disk_bytes for copied in manifest.volumes)
    free = free_bytes(directory)
    if free < wanted:
        what = f"{free // MEGABYTE} MB are free at {directory}; the restored volumes need {wanted // MEGABYTE} MB"
        raise ReleaseError("DISK_SPACE", what, "free space there, then run this again")


def prove(paths: AppPaths, manifest: Manifest) -> None:
    """Extract the copies of a backup where nobody looks, compare them with the manifest, and remove them.

    Raises:
        ReleaseError: RESTORE_FAILED, BACKUP_DAMAGED.
    """
    if not manifest.volumes:
        return
    require_space(manifest, paths.backups)
    for copied in manifest.volumes:
        # With the lock, because whoever has it removes what is temporary there.
        with alone(paths), tempfile.TemporaryDirectory(prefix=".drill.", dir=paths.backups) as directory:
            _extract(paths, manifest, copied, Path(directory))


def _extract(paths: AppPaths, manifest: Manifest, copied: VolumeCopy, into: Path) -> None:
    archive = volume_archive(paths, manifest.id, copied.name)
    try:
        found = volume_read.read(archive, into)
    except OSError as error:
        raise _failed(f"the copy of the volume {copied.name} could not be extracted: {error}") from error
    if found.checksum != copied.content or volume_copy.survey(into).checksum != copied.content:
        raise _failed(f"the copy of the volume {copied.name} differs from what it held when the backup was made")


@contextmanager
def beside(paths: AppPaths, manifest: Manifest) -> Iterator[List[Restored]]:
    """Extract the volumes of a backup beside the live ones and yield them; what was not exchanged is gone afterwards.

    Raises:
        ReleaseError: RESTORE_FAILED, BACKUP_DAMAGED, VOLUME_FOREIGN.
    """
    made: List[Restored] = []
    try:
        for copied in manifest.volumes:
            made.append(_place(paths, manifest, copied))
            _extract(paths, manifest, copied, made[-1].beside)
        yield made
    finally:
        for restored in made:
            _clear(restored.live.parent, RESTORE)


def _place(paths: AppPaths, manifest: Manifest, copied: VolumeCopy) -> Restored:
    """Have a volume, and an empty directory beside its files that can be exchanged with them."""
    volume = AppVolume(paths.app, copied.name, "")
    if docker.volume(volume.docker_name) is None:
        docker.create_volume(volume.docker_name, paths.app)
    live = app_volumes.directory(volume)
    _clear(live.parent, RESTORE)
    place, other = live.with_name(f"{RESTORE}{manifest.id}"), live.with_name(f"{RESTORE}trial")
    try:
        place.mkdir(mode=0o700)
        other.mkdir(mode=0o700)
        _exchange(place, other)  # what this file system cannot do is known before the database is touched
        other.rmdir()
    except OSError as error:
        raise _failed(f"{live.parent}: {error.strerror}") from error
    return Restored(volume, live, place)


def swap(paths: AppPaths, restored: List[Restored]) -> List[str]:
    """Put restored volumes into the place of the live ones while no release runs, start the live one, and tell where the old files are.

    Raises:
        ReleaseError: RESTORE_FAILED; the volume that it names and those after it are as they were.
    """
    if not restored:
        return []
    for release in running_releases(docker.containers(paths.app)):
        stop_release(paths.app, release)
    try:
        return [_swap(one) for one in restored]
    finally:
        _start_live(paths)


def _start_live(paths: AppPaths) -> None:
    live = read_route(paths)
    if live is not None and has_record(paths, live):
        with contextlib.suppress(ReleaseError):  # whether it is ready is what is asked next
            release = Candidate(paths, live)
            release.start()
            release.keep_running()


def _swap(restored: Restored) -> str:
    kept = restored.live.with_name(f"{BEFORE}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    _clear(restored.live.parent, BEFORE)
    try:
        # Before the exchange, so that the old files are never where leftovers are cleared away.
        restored.beside.rename(kept)
        _exchange(restored.live, kept)
    except OSError as error:
        raise _failed(f"the volume {restored.volume.docker_name} could not be exchanged: {error}") from error
    return f"The volume {restored.volume.docker_name} is as it was; until the next restore its old files are in {kept}"


def _exchange(one: Path, other: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one))


def _clear(directory: Path, prefix: str) -> None:
    """Remove what an earlier restore, or one that was killed, left beside a volume's own directory."""
    for found in sorted(directory.glob(f"{prefix}*")):
        # By a program, because a container may have made directories deeper than Python can follow.
        run(["rm", "--recursive", "--force", "--one-file-system", "--", str(found)], REMOVE_SECONDS)


def _failed(how: str) -> ReleaseError:
    return ReleaseError(
        "RESTORE_FAILED",
        f"a volume could not be restored: {how}; its live files were not touched",
        "fix the cause, or restore another backup",
    )
