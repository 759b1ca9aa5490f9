# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copies of an app's volumes, beside the dump that they belong to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import List

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest, VolumeCopy
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.store import (
    free_bytes,
    is_archive,
    manifest_of,
    sha256,
    volume_archive,
    volume_archives,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import run
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.limits import MEGABYTE
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import has_record, read_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes import app_volumes, volume_copy, volume_read, volume_tree
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes.app_volumes import AppVolume
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

SERVICE_LABEL = "com.docker.compose.service"
RESTORE = "restore"
BEFORE_SECONDS = 600.0
SHOWN_LINES = 10
MEASURE_SECONDS = 60.0


def wanted(paths: AppPaths) -> List[AppVolume]:
    """Return the volumes that backups have a copy of, as the live release was told."""
    live = read_route(paths)
    if live is None or not has_record(paths, live):
        return []
    return [volume for volume in app_volumes.of(paths.app, read_record(paths, live).settings) if volume.backup]


def to_copy(paths: AppPaths, kind: str) -> List[AppVolume]:
    """Return the volumes that a backup of a kind has a copy of.

    One from before a restore has what there still is: a lost volume must not keep anybody from restoring it.
    """
    volumes = wanted(paths)
    if kind == RESTORE:
        return [replace(volume, before_backup=()) for volume in volumes if docker.volume(volume.docker_name) is not None]
    return volumes


def take(paths: AppPaths, identifier: str, kind: str) -> List[VolumeCopy]:
    """Copy the volumes that belong to a backup, and return what its manifest says of them.

    Args:
        paths: the app's files.
        identifier: of the backup.
        kind: why it is made; see `to_copy`.

    Raises:
        ReleaseError: BACKUP_FAILED or DISK_SPACE.
        OSError: an archive could not be written.
    """
    return [_take(paths, identifier, volume) for volume in to_copy(paths, kind)]


def _take(paths: AppPaths, identifier: str, volume: AppVolume) -> VolumeCopy:
    archive = volume_archive(paths, identifier, volume.name)
    partial = archive.with_name(f".{archive.name}.partial")
    try:
        top = app_volumes.directory(volume)
        _require_space(paths.backups, top, volume)
        _prepare(paths, volume)
        found = volume_copy.pack(top, partial)
        read = volume_read.read(partial)
        if read.checksum != found.checksum:
            raise ReleaseError("BACKUP_FAILED", "the copy differs from what was read", "check the disk (dmesg)")
    except ReleaseError as error:
        if error.code == "DISK_SPACE":
            raise
        raise ReleaseError(
            "BACKUP_FAILED",
            f"the volume {volume.docker_name} could not be backed up: {error.what}",
            f"{error.todo}; then test with playbooks/backup.yml",
            error.details,
        ) from error
    partial.replace(archive)
    return VolumeCopy(
        volume.name,
        archive.name,
        sha256(archive),
        archive.stat().st_size,
        found.entries,
        found.checksum,
        found.disk_bytes,
        found.skipped,
        found.unsteady,
    )


def _require_space(backups: Path, top: Path, volume: AppVolume) -> None:
    free, (size, dummy) = free_bytes(backups), volume_tree.disk_usage(top, MEASURE_SECONDS)
    if free < size:
        raise ReleaseError(
            "DISK_SPACE",
            f"{free // MEGABYTE} MB are free at {backups}; the volume {volume.docker_name} has {size // MEGABYTE} MB, "
            "and its copy may need as much",
            "free space there, or keep fewer backups (db_backup_keep)",
        )


def _prepare(paths: AppPaths, volume: AppVolume) -> None:
    """Run the command that was set for it in the live container, as the app's own user.

    Raises:
        ReleaseError: BACKUP_FAILED with the command's last words.
    """
    if not volume.before_backup:
        return
    containers = [c for c in docker.containers(paths.app, read_route(paths)) if c["Config"]["Labels"].get(SERVICE_LABEL) == "api"]
    if not containers:
        raise ReleaseError("BACKUP_FAILED", "the live release has no container to run before_backup in", "playbooks/status.yml")
    done = run(["docker", "exec", containers[0]["Id"], *volume.before_backup], BEFORE_SECONDS, merge=True)
    if done.code:
        what = f"its before_backup command failed with exit code {done.code}"
        raise ReleaseError("BACKUP_FAILED", what, "correct before_backup in app_volumes", done.out.splitlines()[-SHOWN_LINES:])


def require_whole(paths: AppPaths, manifest: Manifest) -> None:
    """Check that the archives of a backup are what was written.

    Raises:
        ReleaseError: BACKUP_DAMAGED.
    """
    for copied in manifest.volumes:
        archive = volume_archive(paths, manifest.id, copied.name)
        if not is_archive(archive.name, manifest.id):
            raise volume_copy.damaged(manifest_of(paths, manifest.id), f"it has a volume named {copied.name[:40]!r}")
        if not archive.is_file():
            raise volume_copy.damaged(archive, "it is gone")
        if archive.stat().st_size != copied.bytes or sha256(archive) != copied.sha256:
            raise volume_copy.damaged(archive, "its checksum differs")


def remove(paths: AppPaths, identifier: str) -> None:
    """Remove the archives of a backup, half-written ones as well."""
    for archive in (*volume_archives(paths, identifier), *paths.backups.glob(f".{identifier}.*")):
        archive.unlink(missing_ok=True)


def notes(manifest: Manifest) -> List[str]:
    """Return what should be known of a backup's copies of volumes."""
    return [
        f"UNSTEADY: files of the volume {copied.name} were written to each time they were read, "
        f"and their copies may be of no one moment: {', '.join(map(repr, copied.unsteady[:SHOWN_LINES]))}; "
        "before_backup in app_volumes can have the app write a snapshot first"
        for copied in manifest.volumes
        if copied.unsteady
    ]
