"""A controller that can be killed like a laptop whose lid is closed: Ansible, its workers, and its SSH connections at once."""

import os
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from lab import paths
from lab.play import PLAY_SECONDS, Play
from lab.story import App

MARK = "FAIRLEAD_LAB_CONTROLLER"
KILL_SECONDS = 10.0


class Controller:
    """A run of a playbook in the background.

    Args:
        command: its words.
        environment: its environment; gets a mark by which all of its processes are found.
        folder: for its output, and for its SSH connections, which it shares with no other run.
    """

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self._connections = folder / "ssh"
        self._mark = f"{MARK}={secrets.token_hex(8)}"
        name, _, value = self._mark.partition("=")
        self._output: IO[str] = (folder / "output").open("w+")
        self._process = subprocess.Popen(
            command,
            cwd=paths.REPOSITORY,
            env={**environment, name: value, "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self._connections)},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def kill(self) -> None:
        """Kill every process of it with SIGKILL."""
        deadline = time.monotonic() + KILL_SECONDS
        while mine := self._processes():
            for pid in mine:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self._process.poll()  # one that is not waited for stays in the list
            assert time.monotonic() < deadline, f"processes {mine} of the controller do not end"

    def wait(self) -> Play:
        """Wait for its end by itself."""
        code = self._process.wait(PLAY_SECONDS)
        return Play(code, self.output())

    def is_running(self) -> bool:
        """Tell whether it has not ended yet."""
        return self._process.poll() is None

    def output(self) -> str:
        """Return what it has printed so far."""
        return Path(self._output.name).read_text()

    def close(self) -> None:
        """Leave nothing of it behind."""
        self.kill()
        self._process.wait(KILL_SECONDS)
        self._output.close()

    def _processes(self) -> list[int]:
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if self._is_mine(entry)]

    def _is_mine(self, process: Path) -> bool:
        # ssh writes its connection's path over its own arguments and environment.
        try:
            has_mark = self._mark.encode() in (process / "environ").read_bytes()
            return has_mark or str(self._connections).encode() in (process / "cmdline").read_bytes()
        except OSError:
            return False  # it has ended


@contextmanager
def deploying(app: App, tag: str, **variables: Any) -> Iterator[Controller]:
    """Deploy in the background during the block, with more variables; afterwards nothing of the controller is left."""
    # A socket's path has room for 108 bytes.
    with tempfile.TemporaryDirectory(prefix="fairlead-", dir="/tmp") as folder:
        controller = Controller(*app.invocation("deploy", image_tag=tag, **variables), Path(folder))
        try:
            yield controller
        finally:
            controller.close()
