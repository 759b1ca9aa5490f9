# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release's files on the host, which Compose runs from: how they are laid out, and what they say."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import (
    AppPaths,
    read_json,
    write_json,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.state import UNREADABLE
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import dotenv
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import (
    RELEASE_ID,
    Release,
    Schema,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

COMPOSE = "compose.yaml"
ENVIRONMENT = "app.env"
SECRETS_ENVIRONMENT = "secrets.env"
SECRETS = "secrets"
# What is laid over the app's own for its migrations alone; no secret's name has a dash.
MIGRATE = "migrate-"
# What stands in for all secrets while a release is planned.
PLAN = "plan-"
RECORD = "release.json"
# What a bundle keeps of its release's record: what that was made from, not what became of it.
MADE_FROM = ("id", "previous", "run", "owner", "config_hash", "image", "processes", "volumes", "schema")


@dataclass(frozen=True)
class BundleRecord:
    """What a bundle says of itself, in its ``release.json``.

    Args:
        release: what it was made from; its status is not known here.
        settings: how the release is probed, migrated, stopped.
        files: SHA-256 of each file of the bundle, by its path in it.
    """

    release: Release
    settings: Settings
    files: Dict[str, str]


def read_record(paths: AppPaths, release: str) -> BundleRecord:
    """Return the ``release.json`` of a bundle.

    Raises:
        ReleaseError: BUNDLE_MISSING when the bundle is gone, STATE_CORRUPT when it is damaged.
    """
    told = _read(paths, release)
    try:
        made_from = {name: told[name] for name in (*MADE_FROM, "tag", "digest", "fingerprint") if name in told}
        return BundleRecord(Release.from_dict({**made_from, "id": release}), told["settings"], told.get("files") or {})
    except UNREADABLE as error:
        what = f"{paths.bundle(release) / RECORD} is damaged: {error!r}"
        raise ReleaseError("STATE_CORRUPT", what, "deploy again, which rewrites it") from error


def _read(paths: AppPaths, release: str) -> Dict[str, Any]:
    told = read_json(paths.bundle(release) / RECORD, ("image", "settings"))
    if told is None:
        raise ReleaseError("BUNDLE_MISSING", f"{paths.bundle(release)} is gone", "deploy that image tag again")
    return told


def note_schema(paths: AppPaths, release: str, schema: Schema) -> None:
    """Note in a bundle what its release did to the database, in case that the ledger is lost.

    Raises:
        ReleaseError: BUNDLE_MISSING or STATE_WRITE.
    """
    write_json(paths.bundle(release) / RECORD, {**_read(paths, release), "schema": schema.as_dict()})


def checksums(directory: Path) -> Dict[str, str]:
    """Return the SHA-256 of each file of a bundle but its record, by its path in the bundle."""
    files = sorted(file for file in directory.rglob("*") if file.is_file() and file != directory / RECORD)
    return {str(file.relative_to(directory)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def releases(paths: AppPaths) -> List[Release]:
    """Return the releases that the bundles on this host are of; damaged ones are left out."""
    found = (find_record(paths, release) for release in ids(paths))
    return [record.release for record in found if record is not None]


def ids(paths: AppPaths) -> List[str]:
    """Return the ids of the bundles on this host, whole or damaged."""
    return [directory.name for directory in paths.releases.glob("r*") if RELEASE_ID.fullmatch(directory.name)]


def has_record(paths: AppPaths, release: Optional[str]) -> bool:
    """Tell whether the bundle of `release` is there, and whole enough to work with."""
    return find_record(paths, release) is not None


def find_record(paths: AppPaths, release: Optional[str]) -> Optional[BundleRecord]:
    """Return what `read_record` does, or None when there is no release, or its bundle is damaged or gone."""
    if release is None:
        return None
    try:
        return read_record(paths, release)
    except ReleaseError:
        return None


def read_secrets(paths: AppPaths, release: str) -> Dict[str, str]:
    """Return the secrets of a bundle by name, in order to keep them out of messages and to compare them."""
    directory = paths.bundle(release)
    found: Dict[str, str] = {}
    for prefix in ("", MIGRATE):
        # As bytes: reading text would turn the \r\n of a key into \n.
        files = sorted((directory / f"{prefix}{SECRETS}").glob("[!.]*"))
        found.update({f"{prefix}{file.name}": file.read_bytes().decode("utf-8") for file in files})
        environment = directory / f"{prefix}{SECRETS_ENVIRONMENT}"
        if environment.is_file():
            values = dotenv.parse(environment.read_text(encoding="utf-8"))
            found.update({f"{prefix}{name}": value for name, value in values.items()})
    return found


def settings_of(paths: AppPaths, release: str) -> Optional[Settings]:
    """Return a release's settings, or None when its bundle is damaged or gone."""
    record = find_record(paths, release)
    return record.settings if record else None
