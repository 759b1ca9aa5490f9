# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The versions of the program on a host, each in a directory that is named after its content."""

from __future__ import annotations

import compileall
import contextlib
import fcntl
import io
import os
import shlex
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import List, Tuple

# Beside `current`: a run that waits, or a controller with another version, need not bring theirs again.
KEPT = 3
LAUNCHER = "fairlead"
VERSION = "version"
CURRENT = "current"


def install(root: Path, name: str, version: str, archive: bytes) -> None:
    """Have a version of the program on this host, whole or not at all.

    Args:
        root: where all versions are.
        name: this one's: the hash of its content.
        version: of the collection that it is from, as ``1.2.3``.
        archive: a zip file of its sources.
    """
    root.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not is_installed(root, name):
        new = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=str(root)))
        try:
            unpack(new, archive, root / name)
            (new / VERSION).write_text(f"{version}\n", encoding="utf-8")
            os.sync()  # before the name is there: after a power cut it must not stand for empty files
            with contextlib.suppress(OSError):  # another run brought it meanwhile
                new.rename(root / name)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    if is_due(root, name):
        link = root / f".{CURRENT}.{os.getpid()}"
        link.symlink_to(name)
        link.replace(root / CURRENT)
    for old in outdated(root, name):
        _remove(old)


def unpack(directory: Path, archive: bytes, final: Path) -> None:
    """Unpack the program, compile it, and make its launcher.

    Args:
        directory: where to, empty.
        archive: a zip file of its sources.
        final: where it will be when it runs.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        files.extractall(directory)
    compileall.compile_dir(str(directory), quiet=2, stripdir=str(directory), prependdir=str(final))
    launcher = directory / LAUNCHER
    launcher.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -IS {shlex.quote(str(final))} "$@"\n', encoding="utf-8")
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path == launcher else 0o644)


def is_installed(root: Path, name: str) -> bool:
    """Tell whether this host has the version."""
    return (root / name / LAUNCHER).is_file()


def is_due(root: Path, name: str) -> bool:
    """Tell whether ``current``, which timers use, has to name this version: it never goes back to an earlier one of the collection."""
    current = root / CURRENT
    if not is_installed(root, CURRENT):
        return True
    return current.resolve().name != name and _version(current) <= _version(root / name)


def outdated(root: Path, name: str) -> List[Path]:
    """Return the versions that are not kept: beside this and the current one, those that were used last are."""
    kept = {name, (root / CURRENT).resolve().name}
    others = [path for path in root.iterdir() if path.is_dir() and not path.is_symlink() and path.name not in kept]
    versions = [path for path in others if (path / LAUNCHER).is_file()]
    return sorted(versions, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT - len(kept) :]


def _version(directory: Path) -> Tuple[int, ...]:
    written = (directory / VERSION).read_text(encoding="utf-8").strip()
    return tuple(int(part) for part in written.split("-")[0].split(".") if part.isdigit())


def _remove(directory: Path) -> None:
    """Remove a version that no process uses: see `main.in_use`."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory)
    except OSError:
        return
    finally:
        os.close(handle)
