"""A run that is stopped on its host at a phase of its journal, so that a test can break something just there."""

import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from lab.on_host import program
from lab.story import App

# What a deploy may take to any of its phases.
REACH_SECONDS = 120.0
ORDER_SECONDS = 150.0


class Watch:
    """A program on the app's host that waits for the next run to reach a phase, and freezes its stage there.

    Args:
        app: whose run.
        phase: one of the journal's phases.

    Once it is reached, `release` is that run's release and `pid` the frozen process on the host; None when it had ended by itself.
    """

    def __init__(self, app: App, phase: str) -> None:
        self.phase = phase
        self.release: str | None = None
        self.pid: int | None = None
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._process = subprocess.Popen(
            ["docker", "exec", "--interactive", app.host.name, *program("freeze"), app.name, phase],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def await_start(self) -> None:
        """Wait until the program watches. Raises AssertionError when it does not."""
        self._expect("watching", REACH_SECONDS)

    def reached(self) -> bool:
        """Wait for the phase; False: the run had passed it before it could be stopped. Raises AssertionError when it never came."""
        event = self._expect("reached passed", REACH_SECONDS)
        self.release, self.pid = event["release"], event["pid"]
        return str(event["event"]) == "reached"

    def cut(self) -> None:
        """End the SSH sessions of the run."""
        self._order("cut")

    def thaw(self, wait: bool = True) -> None:
        """Let the stage go on and, unless told otherwise, wait until it has ended by itself."""
        self._order("thaw")
        if wait:
            self._expect("idle", ORDER_SECONDS)

    def close(self) -> None:
        """End the program, which lets the stage go on; where the host was killed it has ended."""
        assert self._process.stdin and self._process.stdout and self._process.stderr
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._process.stderr.close()

    def _order(self, order: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._events.put(json.loads(line))
        self._events.put(None)

    def _expect(self, wanted: str, seconds: float) -> dict[str, Any]:
        try:
            event = self._events.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"not {wanted} ({self.phase}) within {seconds:g} s") from None
        if event is None:
            assert self._process.stderr
            raise AssertionError(f"the watching program ended: {self._process.stderr.read()}")
        assert event["event"] in wanted.split(), event
        return event


@contextmanager
def watching(app: App, phase: str) -> Iterator[Watch]:
    """Watch for the phase during the block; whatever was frozen goes on afterwards."""
    watch = Watch(app, phase)
    try:
        watch.await_start()
        yield watch
    finally:
        watch.close()
