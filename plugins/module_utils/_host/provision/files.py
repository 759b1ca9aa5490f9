# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Directories and files of a host brought to what provisioning wants them to be."""

from __future__ import annotations

import contextlib
import grp
import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import run
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import sync_directory
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

VALIDATE_SECONDS = 60.0
SHOWN_LINES = 20
HIDDEN = "(its content is not shown)\n"


@dataclass(frozen=True)
class Attributes:
    """Who has a file, and what they may do.

    Args:
        owner: user id.
        group: group id.
        mode: permissions.
    """

    owner: int
    group: int
    mode: int

    @classmethod
    def from_options(cls, told: Mapping[str, Any]) -> Attributes:
        """Read options; owner and group are names or ids, the mode is octal digits.

        Raises:
            ReleaseError: CONFIG when the host knows no such user or group.
        """
        return cls(_user(str(told["owner"])), _group(str(told["group"])), int(str(told["mode"]), 8))

    @classmethod
    def of(cls, path: Path) -> Attributes:
        """Return those of a file, which is not followed when it is a link."""
        found = path.lstat()
        return cls(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))

    def __str__(self) -> str:
        return f"owner: {self.owner}\ngroup: {self.group}\nmode: {self.mode:04o}\n"


@dataclass(frozen=True)
class File:
    """A file that is wanted.

    Args:
        path: where.
        content: what it holds.
        attributes: whose it is.
        secret: whether its content must not be shown.
        validate: a command that accepts the content, with ``%s`` for a file that holds it; empty for none.
    """

    path: Path
    content: str
    attributes: Attributes
    secret: bool = False
    validate: Sequence[str] = ()

    @classmethod
    def from_options(cls, told: Mapping[str, Any]) -> File:
        """Read options."""
        attributes = Attributes.from_options(told)
        return cls(Path(told["path"]), told["content"], attributes, bool(told["secret"]), tuple(told["validate"]))


class Changes:
    """What differs on the host, and is changed unless it is only looked at.

    Args:
        check: whether it is only looked at.
    """

    def __init__(self, check: bool) -> None:
        self._check = check
        self.paths: List[str] = []
        self.diffs: List[Dict[str, str]] = []

    def directory(self, path: Path, wanted: Attributes) -> None:
        """Have a directory."""
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise ReleaseError("CONFIG", f"{path} is on the host and is no directory", "look at what it is, move it away, run this again")
        found = Attributes.of(path) if path.exists() else None
        if found == wanted:
            return
        self._note(path, str(found or ""), str(wanted))
        if not self._check:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.chown(path, wanted.owner, wanted.group)
            path.chmod(wanted.mode)

    def file(self, wanted: File) -> None:
        """Have a file, replaced as a whole."""
        path = wanted.path
        if path.is_dir() and not path.is_symlink():
            raise ReleaseError("CONFIG", f"{path} is on the host and is a directory", "look at what it is, move it away, run this again")
        known = path.is_file() and not path.is_symlink()
        before = path.read_text(encoding="utf-8", errors="replace") if known else None
        found = Attributes.of(path) if known else None
        if before != wanted.content:
            shown = (HIDDEN, f"{HIDDEN}(it changes)\n") if wanted.secret else (before or "", wanted.content)
            self._note(path, *(shown if known else ("", shown[1])))
            if self._check and not wanted.validate:
                return
            # A check writes to the directory for temporary files only.
            with _written(wanted, None if self._check else path.parent) as temporary:
                _validate(wanted, temporary)
                if not self._check:
                    temporary.replace(path)
                    sync_directory(path.parent)
        elif found != wanted.attributes:
            self._note(path, str(found), str(wanted.attributes))
            if not self._check:
                os.chown(path, wanted.attributes.owner, wanted.attributes.group)
                path.chmod(wanted.attributes.mode)

    def absent(self, path: Path) -> None:
        """Have nothing at a path."""
        if not path.exists() and not path.is_symlink():
            return
        self._note(path, "there\n", "")
        if self._check:
            return
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def _note(self, path: Path, before: str, after: str) -> None:
        self.paths.append(str(path))
        self.diffs.append({"before_header": str(path), "after_header": str(path), "before": before, "after": after})


def checksums(paths: Sequence[str]) -> str:
    """Return the checksums of files as sha256sum prints them; of what is missing none."""
    lines = []
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            lines.append(f"{hashlib.sha256(Path(path).read_bytes()).hexdigest()}  {path}\n")
    return "".join(lines)


@contextlib.contextmanager
def _written(file: File, directory: Optional[Path]) -> Iterator[Path]:
    """Write a file to a directory, under another name; what was not moved to its place is removed."""
    handle, name = tempfile.mkstemp(prefix=f".{file.path.name}.", dir=str(directory) if directory else None)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            os.fchown(opened.fileno(), file.attributes.owner, file.attributes.group)
            os.fchmod(opened.fileno(), file.attributes.mode)
            opened.write(file.content)
            opened.flush()
            os.fsync(opened.fileno())
        yield temporary
    except OSError as error:
        raise ReleaseError(
            "STATE_WRITE", f"cannot write {file.path}: {error.strerror}", "free space on that file system, then run this again"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _validate(file: File, temporary: Path) -> None:
    if not file.validate or shutil.which(file.validate[0]) is None:  # in check mode, it may not be installed yet
        return
    done = run([word.replace("%s", str(temporary)) for word in file.validate], VALIDATE_SECONDS)
    if done.code:
        raise ReleaseError(
            "FILE_REFUSED",
            f"{' '.join(file.validate[:2])} refuses what would be written to {file.path}; what is there stays",
            "change the variable that the words below are about",
            (done.err or done.out).splitlines()[-SHOWN_LINES:],
        )


def _user(name: str) -> int:
    try:
        return int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid
    except KeyError as error:
        raise _unknown("user", name) from error


def _group(name: str) -> int:
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise _unknown("group", name) from error


def _unknown(kind: str, name: str) -> ReleaseError:
    return ReleaseError("CONFIG", f"the host has no {kind} {name}", "use its number, or create it first")
