# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a call has done so far, in a file that its controller reads while it waits.

Each line is JSON: ``stage``, ``step``, and ``seconds`` once it has ended, with ``failed`` where it failed; or, of one that takes long,
``running``, its seconds until now.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Dict, Iterator, Optional

DIRECTORY = Path("/run/fairlead-runs")
HEARTBEAT_SECONDS = 10.0
_RUN = re.compile(r"[A-Za-z0-9-]{1,64}")


class Progress:
    """The file of one call.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.stage = ""
        self._path = path
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._lock = Lock()
        self._running: Optional[str] = None
        self._since = 0.0
        self._ended = Event()
        self._beating = Thread(target=self._beat, daemon=True)
        self._beating.start()

    def told(self, step: Dict[str, Any]) -> None:
        """Take in a step that begins, or has ended."""
        ended = "seconds" in step
        with self._lock:
            self._running, self._since = None if ended else step["step"], time.monotonic()
        if ended:
            self._write({name: step[name] for name in ("step", "seconds", "failed") if name in step})

    def close(self) -> None:
        """Remove the file; whoever reads it has it open."""
        self._ended.set()
        self._beating.join()
        os.close(self._handle)
        self._path.unlink()

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            with self._lock:
                step, since = self._running, self._since
            if step:
                self._write({"step": step, "running": round(time.monotonic() - since)})

    def _write(self, said: Dict[str, Any]) -> None:
        # On a full disk the run goes on, unseen.
        with contextlib.suppress(OSError):
            os.write(self._handle, f"{json.dumps({'stage': self.stage, **said})}\n".encode())


@contextlib.contextmanager
def reported(run: str, check: bool) -> Iterator[Optional[Progress]]:
    """Report the steps of a call; in check mode, which leaves no file on the host, and where it cannot be written, nobody is told."""
    progress = None
    if not check and _RUN.fullmatch(run):
        with contextlib.suppress(OSError):
            DIRECTORY.mkdir(mode=0o700, exist_ok=True)
            progress = Progress(DIRECTORY / f"{run}.{os.getpid()}")
    try:
        yield progress
    finally:
        if progress:
            progress.close()
