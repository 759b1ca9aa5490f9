# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release's files on the host, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import (
    AppPaths,
    sync_directory,
    write_atomically,
    write_json,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import dotenv
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import (
    COMPOSE,
    ENVIRONMENT,
    MADE_FROM,
    MIGRATE,
    PLAN,
    RECORD,
    SECRETS,
    SECRETS_ENVIRONMENT,
    checksums,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.placeholder import placeholder
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import PinnedImage, Release, processes_of
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


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

    @classmethod
    def from_options(cls, options: Mapping[str, Any], digest: str) -> Bundle:
        """Return what the options of the module release_prepare say, with the digest that their tag was found to mean."""
        return cls(
            app=options["app"],
            image=options["image"],
            tag=options["tag"],
            digest=digest,
            compose=options["compose"],
            environment=_texts(options["environment"]),
            secrets=_texts(options["secrets"]),
            secrets_as=options["secrets_as"],
            settings=options["settings"],
            migrate_environment=_texts(options["migrate_environment"]),
            migrate_secrets=_texts(options["migrate_secrets"]),
        )

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
        made_from = {name: value for name, value in release.as_dict().items() if name in MADE_FROM}
        write_json(directory / RECORD, {**made_from, "app": self.app, "settings": self.settings, "files": checksums(directory)})

    def _write_secret_files(self, directory: Path, secrets: Dict[str, str]) -> None:
        # Compose ignores owner and mode of file secrets, so the file itself must belong to the app's user.
        user = self.settings["user"].partition(":")[0]
        directory.mkdir(mode=0o700)
        for name, value in secrets.items():
            write_atomically(directory / name, value, mode=0o400, owner=int(user or 0))


def _texts(values: Mapping[Any, Any]) -> Dict[str, str]:
    return {str(name): _text(value) for name, value in values.items()}


def _text(value: object) -> str:
    """Return a value as an environment carries it: lists, mappings, true and false as JSON, which pydantic and most others read."""
    if isinstance(value, (bool, dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


def _unwritten(path: Path, error: OSError) -> ReleaseError:
    return ReleaseError("STATE_WRITE", f"cannot write {path}: {error.strerror}", "free space there, then run this again")
