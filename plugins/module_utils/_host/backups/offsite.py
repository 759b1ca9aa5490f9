# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Encrypted copies of backups off the host, by restic."""

from __future__ import annotations

import json
import os
import re
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional, Sequence, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import outcomes, store
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import environment
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths, sync_directory
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError, redact

QUESTION_SECONDS = 300.0
COPY_SECONDS = 6 * 3600.0
SHOWN_LINES = 10
# Before the identity of an installation, among the tags of a copy.
INSTALLATION = "installation="
# What copies without that tag are called.
UNTOLD = "untold"
_USER = re.compile(r"//[^/@]*:[^/]*@")
_SNAPSHOT = re.compile(r"[0-9a-f]{8,64}")
CACHE = "/var/cache/fairlead-restic"


@dataclass(frozen=True)
class Offsite:
    """Where copies go.

    Args:
        app: the app's name, which tags its copies.
        installation: which of the app's installations, such as staging or production, these copies are of; a tag as well.
        repository: as restic names it.
        password_file: with the key's password.
        environment: credentials of the store.
        keep: how many copies stay, by ``daily``, ``weekly`` …
    """

    app: str
    installation: str
    repository: str
    password_file: Path
    environment: Dict[str, str]
    keep: Dict[str, int]

    @classmethod
    def of(cls, paths: AppPaths, installation: str = "") -> Optional[Offsite]:
        """Return where the app's copies go, or None when they stay here.

        Args:
            paths: the app's files.
            installation: whose copies are meant; empty for this one's own.
        """
        settings = outcomes.settings(paths)
        told = settings.get("restic")
        if not told:
            return None
        folder = outcomes.settings_file(paths).parent
        environment = json.loads((folder / "restic_environment.json").read_text(encoding="utf-8"))
        return cls(
            paths.app,
            installation or settings.get("installation", UNTOLD),
            told["repository"],
            folder / "restic_password",
            environment,
            told["keep"],
        )

    def copy(self, paths: AppPaths, identifier: str) -> None:
        """Copy a backup into the repository, which is made where there is none, and remove copies beyond what is kept.

        Raises:
            ReleaseError: OFFSITE_FAILED with restic's words.
        """
        self._ensure()
        # Locks of runs that were killed; those of others stay.
        self._restic("unlock", seconds=QUESTION_SECONDS)
        files = map(str, store.files_of(paths, identifier))
        self._restic("backup", "--quiet", "--tag", self._tags, *files)
        rules = [word for period, number in sorted(self.keep.items()) for word in (f"--keep-{period}", str(number))]
        if rules:
            self._restic("forget", "--quiet", "--tag", self._tags, "--group-by", "tags", *rules, "--prune")

    @property
    def shown(self) -> str:
        """The repository as messages and logs show it. Settings may be older than the check of the address."""
        return _USER.sub("//", self.repository)

    @property
    def _tags(self) -> str:
        return f"{self.app},{INSTALLATION}{self.installation}"

    def others(self) -> Dict[str, str]:
        """Return the newest copy of each other installation of the app, by the installation's name.

        Raises:
            ReleaseError: OFFSITE_FAILED.
        """
        found: Dict[str, str] = {}
        for installation, identifier in sorted(self._all(), key=lambda key: store.order(key[1])):
            found[installation] = identifier
        return {name: identifier for name, identifier in found.items() if name != self.installation}

    def newest(self) -> Optional[str]:
        """Return the id of the newest copy, or None when there is none.

        Raises:
            ReleaseError: OFFSITE_FAILED.
        """
        return max(self._copies(), key=store.order, default=None)

    def has(self, identifier: str) -> bool:
        """Tell whether there is a copy of a backup.

        Raises:
            ReleaseError: OFFSITE_FAILED.
        """
        return identifier in self._copies()

    def fetch(self, paths: AppPaths, identifier: str) -> None:
        """Bring a copy back to this host; what is left here of that backup is replaced.

        Raises:
            ReleaseError: OFFSITE_FAILED; then there is nothing of it here.
        """
        snapshot, folder = self._copies()[identifier]
        paths.backups.mkdir(mode=0o700, exist_ok=True)
        with store.alone(paths):
            manifest = store.manifest_of(paths, identifier)
            with self._fetched(snapshot, folder, manifest) as told:
                archives = [paths.backups / name for name in store.archives_in(told, identifier)]
                for final in (*archives, store.dump_of(paths, identifier)):
                    with self._fetched(snapshot, folder, final) as partial:
                        partial.replace(final)
                # The manifest last: it is what says that there is a backup.
                told.replace(manifest)
            sync_directory(paths.backups)

    @contextmanager
    def _fetched(self, snapshot: str, folder: str, final: Path) -> Iterator[Path]:
        """Yield a file of a copy beside the place where it belongs; it is gone afterwards, unless it was renamed."""
        partial = final.with_name(f".{final.name}.partial")
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
                self._restic("dump", snapshot, f"{folder}/{final.name}", out=out)
                os.fsync(out.fileno())
            yield partial
        finally:
            partial.unlink(missing_ok=True)

    def _copies(self) -> Dict[str, Tuple[str, str]]:
        """Return snapshot and folder of each copy of this installation, by the backup's id."""
        return {identifier: place for (name, identifier), place in self._all().items() if name == self.installation}

    def _all(self) -> Dict[Tuple[str, str], Tuple[str, str]]:
        return copies(json.loads(self._restic("snapshots", "--json", "--tag", self.app, seconds=QUESTION_SECONDS)))

    def _ensure(self) -> None:
        try:
            self._restic("cat", "config", seconds=QUESTION_SECONDS)
        except ReleaseError as missing:
            try:
                self._restic("init", seconds=QUESTION_SECONDS)
            except ReleaseError as error:
                raise ReleaseError(missing.code, missing.what, missing.todo, [*missing.details, *error.details]) from error

    def _restic(self, *words: str, seconds: float = COPY_SECONDS, out: Any = subprocess.PIPE) -> str:
        own = {
            "RESTIC_REPOSITORY": self.repository,
            **self.environment,
            "RESTIC_PASSWORD_FILE": str(self.password_file),
            "RESTIC_CACHE_DIR": CACHE,
        }
        try:
            done = subprocess.run(  # pylint: disable=ansible-bad-function
                ["restic", *words],
                env=environment(**own),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.PIPE,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise self._failed(words, f"did not end within {seconds:g} s", "") from error
        except FileNotFoundError as error:
            raise self._failed(words, "is not installed", "") from error
        if done.returncode:
            raise self._failed(words, f"failed with exit code {done.returncode}", done.stderr.decode(errors="replace"))
        return (done.stdout or b"").decode(errors="replace")

    def _failed(self, words: Sequence[str], how: str, said: str) -> ReleaseError:
        secrets = [*self.environment.values(), *(found[2:-1] for found in _USER.findall(self.repository))]
        if self.password_file.exists():
            secrets.append(self.password_file.read_text(encoding="utf-8"))
        return ReleaseError(
            "OFFSITE_FAILED",
            f"restic {words[0]} {how}, so backups of {self.app} may lack their copy off this host",
            "see restic's output below; the settings are db_backup_restic_*",
            [redact(line, secrets) for line in said.strip().splitlines()[-SHOWN_LINES:]],
        )


def copies(snapshots: Sequence[Mapping[str, Any]]) -> Dict[Tuple[str, str], Tuple[str, str]]:
    """Return snapshot and folder of each backup that restic tells of, by installation and the backup's id.

    Whoever can write to the repository can write anything there: what is not as this collection writes it is left out.
    """
    found: Dict[Tuple[str, str], Tuple[str, str]] = {}
    for snapshot in snapshots:
        tags = [tag[len(INSTALLATION) :] for tag in snapshot.get("tags") or () if tag.startswith(INSTALLATION)]
        for path in map(Path, snapshot["paths"]):
            known = path.suffix == ".dump" and store.is_id(path.stem) and path.is_absolute() and ".." not in path.parts
            if known and _SNAPSHOT.fullmatch(snapshot["id"]):
                found[tags[0] if tags else UNTOLD, path.stem] = (snapshot["id"], str(path.parent))
    return found
