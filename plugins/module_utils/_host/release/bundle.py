# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release's files on the host: what Compose runs from."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import (
    AppPaths,
    read_json,
    sync_directory,
    write_atomically,
    write_json,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import dotenv
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.placeholder import placeholder
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import (
    RELEASE_ID,
    UNREADABLE,
    PinnedImage,
    Release,
    Schema,
    processes_of,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared import credentials
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
_MADE_FROM = ("id", "previous", "run", "owner", "config_hash", "image", "processes", "volumes", "schema")


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


@dataclass(frozen=True)
class Bundle:
    """Everything that makes one release, apart from its id.

    Args:
        app: the app's name.
        image: repository without tag.
        tag: what the digest was found under.
        digest: ``sha256:…``; only this decides which image runs.
        compose: the Compose file, with ``${FAIRLEAD_…}`` where the host's values go.
        environment: variables of the app.
        secrets: values by name.
        secrets_as: ``file`` or ``environment``.
        settings: how the release is probed, migrated, stopped; later stages and rollbacks read them from here.
        migrate_environment: variables laid over `environment` for migrations alone.
        migrate_secrets: likewise over `secrets`, such as the password of a role that may change the schema.
    """

    app: str
    image: str
    tag: str
    digest: str
    compose: str
    environment: Dict[str, str]
    secrets: Dict[str, str]
    secrets_as: str
    settings: Settings
    migrate_environment: Dict[str, str] = field(default_factory=dict)
    migrate_secrets: Dict[str, str] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """Return a hash of all that would make a difference to users; the tag is only a label of the digest."""
        content = {key: value for key, value in asdict(self).items() if key != "tag"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def pinned(self) -> PinnedImage:
        """The image by digest."""
        return PinnedImage(self.image, self.tag, self.digest)

    def release(self, identifier: str, previous: Optional[str] = None, image_id: str = "", run: str = "", owner: str = "") -> Release:
        """Return the release that is made from this.

        Args:
            identifier: its id.
            previous: the release that is live meanwhile.
            image_id: what the engine calls the image.
            run: the run that makes it.
            owner: who runs that.
        """
        return Release(
            identifier,
            replace(self.pinned, image_id=image_id),
            previous,
            run=run,
            owner=owner,
            config_hash=self.fingerprint(),
            processes=processes_of(self.settings),
            volumes=self.settings.get("volumes") or [],
        )

    def write(self, paths: AppPaths, release: Release) -> None:
        """Write the bundle of a release that is made from this: whole, or not at all.

        Raises:
            ReleaseError: STATE_WRITE.
        """
        final = paths.bundle(release.id)
        with self.staged(paths, release) as staging:
            try:
                staging.rename(final)
                sync_directory(final.parent)
            except OSError as error:
                raise _unwritten(final, error) from error

    @contextmanager
    def staged(self, paths: AppPaths, release: Release) -> Iterator[Path]:
        """Yield a directory with the bundle, which is none of the app's; it is gone afterwards, unless it was renamed.

        Raises:
            ReleaseError: STATE_WRITE.
        """
        staging = paths.bundle(f".{release.id}.new")
        shutil.rmtree(staging, ignore_errors=True)
        try:
            try:
                staging.mkdir(mode=0o700, parents=True)
                self._write_files(staging, release)
            except OSError as error:
                raise _unwritten(staging, error) from error
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _write_files(self, directory: Path, release: Release) -> None:
        host = {"FAIRLEAD_APP": self.app, "FAIRLEAD_RELEASE": release.id, "FAIRLEAD_IMAGE": release.image.reference}
        write_atomically(directory / ".env", dotenv.render(host))
        write_atomically(directory / COMPOSE, self.compose)
        write_atomically(directory / ENVIRONMENT, dotenv.render(self.environment))
        write_atomically(directory / f"{MIGRATE}{ENVIRONMENT}", dotenv.render(self.migrate_environment))
        placeholders = {name: placeholder(value) for name, value in {**self.secrets, **self.migrate_secrets}.items()}
        for prefix, secrets in (("", self.secrets), (MIGRATE, self.migrate_secrets), (PLAN, placeholders)):
            if self.secrets_as == "environment":
                write_atomically(directory / f"{prefix}{SECRETS_ENVIRONMENT}", dotenv.render(secrets))
            else:
                self._write_secret_files(directory / f"{prefix}{SECRETS}", secrets)
        made_from = {name: value for name, value in release.as_dict().items() if name in _MADE_FROM}
        write_json(directory / RECORD, {**made_from, "app": self.app, "settings": self.settings, "files": checksums(directory)})

    def _write_secret_files(self, directory: Path, secrets: Dict[str, str]) -> None:
        # Compose ignores owner and mode of file secrets, so the file itself must belong to the app's user.
        user = self.settings["user"].partition(":")[0]
        directory.mkdir(mode=0o700)
        for name, value in secrets.items():
            write_atomically(directory / name, value, mode=0o400, owner=int(user or 0))


def _unwritten(path: Path, error: OSError) -> ReleaseError:
    return ReleaseError("STATE_WRITE", f"cannot write {path}: {error.strerror}", "free space there, then run this again")


def read_record(paths: AppPaths, release: str) -> BundleRecord:
    """Return the ``release.json`` of a bundle.

    Raises:
        ReleaseError: BUNDLE_MISSING when the bundle is gone, STATE_CORRUPT when it is damaged.
    """
    told = _read(paths, release)
    try:
        made_from = {name: told[name] for name in (*_MADE_FROM, "tag", "digest", "fingerprint") if name in told}
        return BundleRecord(Release.from_dict({**made_from, "id": release}), told["settings"], told.get("files") or {})
    except UNREADABLE as error:
        what = f"{paths.bundle(release) / RECORD} is damaged: {error!r}"
        raise ReleaseError("STATE_CORRUPT", what, "deploy an image tag again, that writes it anew") from error


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
    return [read_record(paths, release).release for release in ids(paths) if has_record(paths, release)]


def ids(paths: AppPaths) -> List[str]:
    """Return the ids of the bundles on this host, whole or damaged."""
    return [directory.name for directory in paths.releases.glob("r*") if RELEASE_ID.fullmatch(directory.name)]


def has_record(paths: AppPaths, release: Optional[str]) -> bool:
    """Tell whether the bundle of `release` is there, and whole enough to work with."""
    if release is None:
        return False
    try:
        read_record(paths, release)
    except ReleaseError:
        return False
    return True


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


def difference(paths: AppPaths, live: Optional[str], new: Bundle) -> List[Dict[str, str]]:
    """Return Ansible diffs between the live bundle and `new`: files as text, secrets only by name and what happens to them."""
    live = live if has_record(paths, live) else None
    directory = paths.bundle(live) if live else None
    old = read_record(paths, live) if live else None
    old_secrets = read_secrets(paths, live) if live else {}
    new_secrets = {**new.secrets, **{f"{MIGRATE}{name}": value for name, value in new.migrate_secrets.items()}}
    pairs = [
        ("image", _image_line(old.release.image) if old else "", _image_line(new.pinned)),
        (COMPOSE, _text(directory, COMPOSE), new.compose),
        (ENVIRONMENT, *_environments(_text(directory, ENVIRONMENT), new.environment)),
        ("environment of migrations", *_environments(_text(directory, f"{MIGRATE}{ENVIRONMENT}"), new.migrate_environment)),
        ("settings", _settings_text(old.settings) if old else "", _settings_text(new.settings)),
        ("secrets", _secret_lines(old_secrets, {}), _secret_lines(new_secrets, old_secrets)),
    ]
    return [
        {
            "before_header": f"{new.app} {live or '(nothing live)'} {name}",
            "after_header": f"{new.app} (new) {name}",
            "before": was,
            "after": text,
        }
        for name, was, text in pairs
        if was != text
    ]


def _image_line(image: PinnedImage) -> str:
    return f"{image.label}@{image.digest}\n"


def _text(directory: Optional[Path], name: str) -> str:
    file = directory / name if directory else None
    return file.read_text(encoding="utf-8") if file and file.is_file() else ""


def _environments(old_text: str, new: Dict[str, str]) -> Tuple[str, str]:
    """Return both environments as they may be shown: without credentials, which an older release, or one said to be public, may have."""
    old = dotenv.parse(old_text)
    changed = {name for name in new if name in old and new[name] != old[name]}
    hidden = {name for environment in (old, new) for name in credentials.found_in(environment)}
    before = {name: "(set)" if name in hidden else value for name, value in old.items()}
    after = {name: ("(changed)" if name in changed else "(set)") if name in hidden else value for name, value in new.items()}
    return dotenv.render(before), dotenv.render(after)


def _settings_text(settings: Settings) -> str:
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in sorted(settings.items()))


def _secret_lines(secrets: Dict[str, str], old: Dict[str, str]) -> str:
    return "".join(f"{name}: {'(changed)' if name in old and old[name] != value else '(set)'}\n" for name, value in sorted(secrets.items()))
