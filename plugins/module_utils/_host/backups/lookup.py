# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A backup found: on this host, or fetched from where its copies are."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import backup_volumes, outcomes, store
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.offsite import Offsite
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.restore import SHOWN_LINES, UNTOUCHED
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database, find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


def require_database(paths: AppPaths) -> Database:
    """Return the app's database.

    Raises:
        ReleaseError: DB_UNREACHABLE when this host knows none.
    """
    database = find_database(paths)
    if database is None:
        raise ReleaseError(
            "DB_UNREACHABLE",
            f"{paths.app} has no database that this host knows of: PostgreSQL does not run here, and app_database_url is not set",
            "run playbooks/provision.yml; for a database elsewhere, set app_database_url first",
        )
    return database


def database_of(paths: AppPaths) -> Optional[Database]:
    """Return the app's database, or None for an app that is without one.

    Raises:
        ReleaseError: DB_UNREACHABLE when this host knows none, and should.
    """
    return None if outcomes.is_without_database(paths) else require_database(paths)


def require_fitting(database: Optional[Database], manifest: Manifest) -> None:
    """Check that a backup has a database's dump where the app has a database, and only there.

    Raises:
        ReleaseError: RESTORE_FAILED.
    """
    if (database is None) == (manifest.database is None):
        return
    what = f"backup {manifest.id} is of the database {manifest.database}, and the app is without one"
    if database is not None:
        what = f"backup {manifest.id} is from a time when the app had no database, and now it has {database.shown}"
    raise ReleaseError("RESTORE_FAILED", f"{what}; nothing was touched", "choose another backup with -e backup=")


def obtain(paths: AppPaths, wanted: str, fetch: bool = True, installation: str = "") -> Manifest:
    """Return the manifest of a backup whose dump is on this host and whole.

    Args:
        paths: the app's files.
        wanted: its id; empty for the newest. One that was made of the state that a restore replaced is only taken by its id.
        fetch: whether one that is only off this host is fetched; else its id is all that is known of it.
        installation: of the app, when not this one: its newest copy off the host, or the one that is wanted.

    Raises:
        ReleaseError: BACKUP_UNKNOWN, BACKUP_DAMAGED, or OFFSITE_FAILED.
    """
    if wanted and not store.is_id(wanted):
        raise ReleaseError("BACKUP_UNKNOWN", f"{wanted[:60]!r} is not a backup id", "an id looks like 20260131T020000Z")
    manifest = _local(paths, wanted, installation)
    offsite = None
    if manifest is None:
        offsite = Offsite.of(paths, installation)
        there = wanted or (offsite.newest() if offsite else None)
        if offsite and there and offsite.has(there):
            if not fetch:
                return Manifest(there)
            offsite.fetch(paths, there)
            manifest = _local(paths, there, installation)
    if manifest is None:
        raise _unknown(paths, wanted, offsite)
    dump = store.dump_of(paths, manifest.id)
    if dump.stat().st_size != manifest.bytes or store.sha256(dump) != manifest.sha256:
        raise _damaged(dump, "is not what was written: its checksum differs")
    backup_volumes.require_whole(paths, manifest)
    return manifest


def _unknown(paths: AppPaths, wanted: str, offsite: Optional[Offsite]) -> ReleaseError:
    known = ", ".join(found.id for found in store.manifests(paths)[:SHOWN_LINES]) or "none"
    whose = f" of the installation {offsite.installation}" if offsite else ""
    others = [
        f"the installation {name} has copies off this host, the newest is {newest}: -e backup_of={name}"
        for name, newest in (offsite.others() if offsite else {}).items()
    ]
    what = f"there is no backup {wanted or 'at all'} of {paths.app}{whose}"
    return ReleaseError("BACKUP_UNKNOWN", what, "choose another one" if others else f"there are: {known}", others)


def _local(paths: AppPaths, wanted: str, installation: str) -> Optional[Manifest]:
    found = store.manifests(paths)
    if not wanted:
        mine = [installation] if installation else [None, outcomes.settings(paths).get("installation")]
        return next((manifest for manifest in found if manifest.kind != "restore" and manifest.installation in mine), None)
    manifest = next((manifest for manifest in found if manifest.id == wanted), None)
    if manifest and installation and manifest.installation != installation:
        what = f"the backup {wanted} on this host is not of the installation {installation}"
        raise ReleaseError("BACKUP_UNKNOWN", what, f"choose another one, or move {store.dump_of(paths, wanted)} away with its manifest")
    if manifest is None and store.dump_of(paths, wanted).exists():
        raise _damaged(store.manifest_of(paths, wanted), "is damaged or gone")
    return manifest


def _damaged(file: Path, how: str) -> ReleaseError:
    return ReleaseError(
        "BACKUP_DAMAGED",
        f"{file} {how}; {UNTOUCHED}",
        f"restore another one, or remove {file.with_suffix('')}.* here: where there is a copy off this host, it is fetched",
    )
