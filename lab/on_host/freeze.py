"""Stops the stage of a new run on this host as soon as the journal says a given phase, without any help from the stage.

Arguments: the app's name, the phase. Says what happens in lines of JSON with `event`:
watching, reached (the stage is frozen, or has ended by itself), passed (it got away), idle (after `thaw`: no stage runs).
Reads orders from standard input: `cut` ends the SSH sessions of the run, `thaw` lets the stage go on. The end of input thaws as well.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.0005
# New processes are looked through as rarely as a stage's first moments allow.
SCAN_SECONDS = 0.01
STOP_SECONDS = 5.0
STAGE_SECONDS = 120.0


def say(event: str, **more: object) -> None:
    """Tell the other side what happened."""
    print(json.dumps({"event": event, **more}), flush=True)


def processes() -> set[int]:
    """Return the ids of all processes."""
    return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}


def status(pid: int) -> dict[str, str]:
    """Return a process's name, state and parent by the kernel's names; nothing when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def ancestors(pid: int) -> list[int]:
    """Return the parents of a process, nearest first, without the first process of all."""
    found: list[int] = []
    while (pid := int(status(pid).get("PPid", 0))) > 1:
        found.append(pid)
    return found


class Stage:
    """The process that holds the lock on the app's directory, looked for among processes that are new here."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._known = processes()
        self._scanned = 0.0
        self.pid: int | None = None
        self.sessions: list[int] = []

    def find(self, now: bool = False) -> int | None:
        """Return the process that holds the lock; all new processes are looked through at most every `SCAN_SECONDS`, or `now`."""
        if self.pid is not None and not self._holds(self.pid):
            self.pid = None
        if self.pid is None and (now or time.monotonic() - self._scanned > SCAN_SECONDS):
            self.pid = next((pid for pid in sorted(processes() - self._known) if self._holds(pid)), None)
            self._scanned = time.monotonic()
            if self.pid is not None:
                self.sessions = [pid for pid in ancestors(self.pid) if status(pid).get("Name") == "sshd-session"]
        return self.pid

    def _holds(self, pid: int) -> bool:
        try:
            handles = [entry.name for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.readlink() == self._home]
            return any("FLOCK" in Path(f"/proc/{pid}/fdinfo/{name}").read_text() for name in handles)
        except OSError:
            return False

    def freeze(self) -> None:
        """Stop the process, and wait until it has stopped or ended."""
        pid = self.find(now=True)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        deadline = time.monotonic() + STOP_SECONDS
        while status(pid).get("State", "Z")[0] not in "TZX":
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {pid} does not stop")

    def thaw(self) -> None:
        """Let the process go on; sudo stops itself when its child is stopped, and has to be woken as well."""
        if self.pid is None:
            return
        for pid in [self.pid, *ancestors(self.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def cut(self) -> None:
        """End the SSH sessions that the stage came by."""
        for pid in self.sessions:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Journal:
    """The journal, read anew when it was replaced."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._entry: dict[str, Any] = {}

    def read(self) -> dict[str, Any]:
        """Return what the journal says; nothing where there is none."""
        try:
            found = self._file.stat()
            if (found.st_ino, found.st_mtime_ns) != self._seen:
                self._entry = json.loads(self._file.read_text())
                self._seen = found.st_ino, found.st_mtime_ns
        except FileNotFoundError:
            self._entry = {}
        return self._entry


def run_first() -> None:
    """Take precedence over everything that this host does, as far as it is allowed here."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        os.nice(-20)


def watch(journal: Journal, stage: Stage, phase: str) -> None:
    """Wait for a new run to reach the phase, and freeze it there. Returns at once when the other side is gone."""
    old = journal.read().get("run")
    say("watching")
    while not select.select([sys.stdin], [], [], POLL_SECONDS)[0]:
        entry = journal.read()
        if entry.get("run") == old:
            stage.find()
            continue
        passed = [past["phase"] for past in entry["phases"]]
        if phase in passed:
            stage.freeze()
            entry = journal.read()
            say("reached" if entry["phase"] == phase else "passed", phase=entry["phase"], pid=stage.pid, release=entry["release"])
            return
        stage.find()


def obey(stage: Stage, home: Path) -> None:
    """Do what the other side says, until it has said everything."""
    for order in sys.stdin:
        if order.strip() == "cut":
            stage.cut()
        elif order.strip() == "thaw":
            stage.thaw()
            await_idle(home)
            say("idle")


def await_idle(home: Path) -> None:
    """Wait until no stage runs: the lock of one is free."""
    handle = os.open(home, os.O_RDONLY)
    deadline = time.monotonic() + STAGE_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError("the stage does not end") from None
            time.sleep(0.05)
        else:
            os.close(handle)
            return


def main(app: str, phase: str) -> None:
    """Freeze one run of the app at the phase."""
    home = Path("/opt/fairlead", app)
    stage = Stage(home)
    run_first()
    try:
        watch(Journal(home / "journal.json"), stage, phase)
        obey(stage, home)
    finally:
        stage.thaw()


if __name__ == "__main__":
    main(*sys.argv[1:])
