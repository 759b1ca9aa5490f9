# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the controller of a running stage is still there; other runs see it by a lock.

A stage writes its answer to a pipe that ends at the controller's connection. When the connection ends, so does the pipe.
"""

from __future__ import annotations

import fcntl
import os
import select
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Iterator

LOOK_SECONDS = 0.5


def is_gone(output: int = 1) -> bool:
    """Tell whether nobody is left to read what this process answers."""
    asked = select.poll()
    asked.register(output, 0)  # errors and the end are always told
    return bool(asked.poll(0))


@contextmanager
def watched(directory: Path, output: int = 1) -> Iterator[None]:
    """Hold a lock on a directory while the controller is there; it is free when the process ends, however it ends."""
    if is_gone(output):  # in an earlier stage of the same call
        yield
        return
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(handle, fcntl.LOCK_EX)
    ended = Event()

    def watch() -> None:
        while not ended.wait(LOOK_SECONDS):
            if is_gone(output):
                fcntl.flock(handle, fcntl.LOCK_UN)
                return

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        os.close(handle)


def is_watching(directory: Path) -> bool:
    """Tell whether the stage that runs on this host has its controller."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
