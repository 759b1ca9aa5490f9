# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A directory that an app's container writes to, walked by root without following anything in it.

Everything is opened by its parent's handle, never through a link, and looked at again once it is open: a container that swaps a file for
a link, a device or a FIFO meanwhile gains nothing.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
# A handle is held for each level.
DEEPEST = 200
BLOCK = 512


@dataclass(frozen=True)
class Entry:
    """Something found.

    Args:
        path: from the top, with `/`.
        name: in its directory.
        parent: a handle of that directory, open for as long as the walk is there.
        status: of the entry itself, never of what it links to.
    """

    path: str
    name: str
    parent: int
    status: os.stat_result


def walk(top: Path) -> Iterator[Entry]:
    """Yield everything below a directory, directories before what is in them; what vanishes meanwhile is left out.

    Raises:
        ReleaseError: BACKUP_FAILED when it is deeper than anything that an app would make.
    """
    handle = os.open(top, DIRECTORY)
    try:
        yield from _walk(handle, "", 1)
    finally:
        os.close(handle)


def _walk(handle: int, prefix: str, depth: int) -> Iterator[Entry]:
    if depth > DEEPEST:
        raise ReleaseError("BACKUP_FAILED", f"{prefix[:80]!r}… lies more than {DEEPEST} directories deep", "remove it from the volume")
    # One by one: nobody knows how many there are.
    with os.scandir(handle) as listed:
        for name in (found.name for found in listed):
            try:
                status = os.stat(name, dir_fd=handle, follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield Entry(prefix + name, name, handle, status)
            if stat.S_ISDIR(status.st_mode):
                yield from _below(handle, name, prefix, depth)


def _below(handle: int, name: str, prefix: str, depth: int) -> Iterator[Entry]:
    try:
        below = os.open(name, DIRECTORY, dir_fd=handle)
    except OSError:  # it is gone, or no directory any more
        return
    try:
        yield from _walk(below, f"{prefix}{name}/", depth + 1)
    finally:
        os.close(below)


@contextmanager
def opened(entry: Entry) -> Iterator[int]:
    """Open a regular file to be read, and yield its handle.

    Raises:
        OSError: it is gone, or no regular file any more.
    """
    handle = os.open(entry.name, FILE, dir_fd=entry.parent)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"{entry.path} is no regular file any more")
        yield handle
    finally:
        os.close(handle)


def disk_usage(top: Path, seconds: float) -> Tuple[int, bool]:
    """Return the bytes that a directory takes on the disk, and whether all of it was counted in that time."""
    deadline, found = time.monotonic() + seconds, 0
    seen = set()
    for entry in walk(top):
        # A file with two names is there once.
        if (entry.status.st_ino, entry.status.st_dev) not in seen:
            found += entry.status.st_blocks * BLOCK
        if entry.status.st_nlink > 1:
            seen.add((entry.status.st_ino, entry.status.st_dev))
        if time.monotonic() > deadline:
            return found, False
    return found, True
