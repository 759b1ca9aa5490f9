# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where things lie on a host, and files that are replaced whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Dict, Optional, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


@dataclass(frozen=True)
class AppPaths:
    """The files of one app on a host.

    Args:
        app: the app's name.
        config_root: bundles, ledger and journal; only root can look inside.
        run_root: route and sockets; the proxy mounts it read-only.
    """

    app: str
    config_root: Path = Path("/opt/fairlead")
    run_root: Path = Path("/var/lib/fairlead")

    @property
    def home(self) -> Path:
        return self.config_root / self.app

    @property
    def ledger(self) -> Path:
        return self.home / "ledger.json"

    @property
    def journal(self) -> Path:
        return self.home / "journal.json"

    @property
    def route(self) -> Path:
        return self.run_root / self.app / "route"

    @property
    def maintenance(self) -> Path:
        return self.route.with_name("maintenance.html")

    @property
    def handover(self) -> Path:
        """There while an exclusive volume is handed over: the proxy answers with its page what it could not hold."""
        return self.route.with_name("handover")

    @property
    def releases(self) -> Path:
        return self.home / "releases"

    @property
    def backups(self) -> Path:
        return self.home / "backups"

    @property
    def database(self) -> Path:
        """Where a database elsewhere is described; missing when it runs here."""
        return self.home / "database"

    def bundle(self, release: str) -> Path:
        return self.releases / release

    def cut(self, release: str) -> Path:
        """There when requests were cut as a release stopped, until the next run has told it."""
        return self.home / f"cut-{release}.json"

    def socket_dir(self, release: str) -> Path:
        return self.run_root / self.app / release

    def socket(self, release: str) -> Path:
        return self.socket_dir(release) / "api.sock"


def write_atomically(path: Path, content: str, mode: int = 0o600, owner: Optional[int] = None) -> None:
    """Replace `path` so that a reader, or a machine that loses power, sees the old or the new content and nothing between.

    Raises:
        ReleaseError: STATE_WRITE when the file system refuses; the old content stays.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=str(path.parent))
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), owner, -1)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        sync_directory(path.parent)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise ReleaseError(
            "STATE_WRITE",
            f"cannot write {path}: {error.strerror}",
            "free space on that file system, then run this again",
        ) from error


def sync_directory(path: Path) -> None:
    """Make renames and removals in `path` durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, atomically and readable by root only."""
    write_atomically(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path, keys: Sequence[str]) -> Optional[Dict[str, Any]]:
    """Return the object that `path` holds, or None when there is no such file.

    Args:
        path: a file that `write_json` wrote.
        keys: what the object must have at least.

    Raises:
        ReleaseError: STATE_CORRUPT when the file holds anything else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict) or not set(keys) <= set(value):
            raise ValueError(f"it is not an object with {', '.join(keys)}")
        return value
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ReleaseError("STATE_CORRUPT", f"{path} is damaged: {error}", "deploy again, which rewrites it") from error


def read_beneath(root: Path, name: str, limit: int) -> Optional[bytes]:
    """Return a regular file that a container may have made, or None: below `root` no link is followed, and nothing long is read.

    Args:
        root: a directory that nobody but root can replace.
        name: the file's path in it.
        limit: the most bytes that it may have.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO without a writer would wait for one
    with contextlib.ExitStack() as opened:
        try:
            handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, handle)
            for part in PurePosixPath(name).parts:
                handle = os.open(part, flags, dir_fd=handle)
                opened.callback(os.close, handle)
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return None
            content = os.read(handle, limit + 1)
        except OSError:
            return None
    return content if len(content) <= limit else None


def now(in_seconds: float = 0.0) -> str:
    """Return the time in UTC, now or in some seconds, for people; nothing is decided by it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + in_seconds))
