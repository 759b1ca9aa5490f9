"""Stops the stage of a new run on this host at the moment its journal says a given phase, without any help from the stage.

Arguments: the app's name, the phase. The process that holds the lock on the app's directory is traced: the kernel stops it at each
system call until it was looked at, so that no phase is too short. It is let go when this program ends, however it ends.

Says what happens in lines of JSON with `event`: watching, reached (the stage stands still), passed (the run was beyond the phase when
it was first seen), idle (after `thaw`: the call has ended).
Reads orders from standard input: `cut` ends the SSH sessions of the run, `thaw` lets the stage go on.
"""

import contextlib
import ctypes
import json
import os
import queue
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

SCAN_SECONDS = 0.005
STAGE_SECONDS = 120.0
# ptrace(2).
SEIZE, INTERRUPT, NEXT_CALL, DETACH = 0x4206, 0x4207, 24, 17
MARK_CALLS = 1
CALL = signal.SIGTRAP | 0x80
EVENT_STOP = 128
ALL_CHILDREN = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def ptrace(request: int, pid: int, data: int = 0) -> None:
    """Call ptrace(2). Raises OSError."""
    if _libc.ptrace(request, pid, None, data) == -1:
        raise OSError(ctypes.get_errno(), f"ptrace of process {pid}")


def say(event: str, **more: object) -> None:
    """Tell the other side what happened."""
    print(json.dumps({"event": event, **more}), flush=True)


def processes() -> set[int]:
    """Return the ids of all processes."""
    return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}


def status(pid: int) -> dict[str, str]:
    """Return a process's name and parent by the kernel's names; nothing when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def ssh_sessions(pid: int) -> list[int]:
    """Return the parents of a process that serve its SSH connection."""
    found: list[int] = []
    while (pid := int(status(pid).get("PPid", 0))) > 1:
        if status(pid).get("Name") == "sshd-session":
            found.append(pid)
    return found


class Journal:
    """The journal of the run after the one that was there at the beginning; read anew when it was replaced."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._entry: dict[str, Any] = {}
        self._old = self._read().get("run")

    def entry(self) -> dict[str, Any] | None:
        """Return what the journal says of the new run; None before it began."""
        entry = self._read()
        return entry if entry.get("run") != self._old else None

    def _read(self) -> dict[str, Any]:
        with contextlib.suppress(FileNotFoundError):
            found = self._file.stat()
            if (found.st_ino, found.st_mtime_ns) != self._seen:
                self._entry = json.loads(self._file.read_text())
                self._seen = found.st_ino, found.st_mtime_ns
        return self._entry


class Stage:
    """The process that holds the lock on the app's directory, looked for among those that are new since the beginning."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._known = processes()
        self.sessions: list[int] = []
        self.stopped: int | None = None

    def find(self) -> int | None:
        """Return the process, when there is one."""
        pid = next((pid for pid in sorted(processes() - self._known) if self._holds(pid)), None)
        if pid is not None:
            self.sessions = ssh_sessions(pid)
        return pid

    def _holds(self, pid: int) -> bool:
        try:
            handles = [entry.name for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.readlink() == self._home]
            return any("FLOCK" in Path(f"/proc/{pid}/fdinfo/{name}").read_text() for name in handles)
        except OSError:
            return False

    def stop_at(self, pid: int, journal: Journal, phase: str) -> bool:
        """Let the process go on from system call to system call until the phase is reached; False: it ended before."""
        ptrace(SEIZE, pid, MARK_CALLS)
        ptrace(INTERRUPT, pid)
        while True:
            _, state = os.waitpid(pid, ALL_CHILDREN)
            if not os.WIFSTOPPED(state):
                return False
            if has_reached(journal.entry(), phase):
                self.stopped = pid
                return True
            reason = os.WSTOPSIG(state)
            is_signal = reason != CALL and state >> 16 != EVENT_STOP
            ptrace(NEXT_CALL, pid, reason if is_signal else 0)

    def thaw(self) -> int | None:
        """Let the process go on, if it was not killed meanwhile, and return which one it is."""
        pid, self.stopped = self.stopped, None
        if pid is not None:
            with contextlib.suppress(OSError):
                ptrace(DETACH, pid)
        return pid

    def cut(self) -> None:
        """End the SSH sessions that the stage came by."""
        for pid in self.sessions:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def has_reached(entry: dict[str, Any] | None, phase: str) -> bool:
    """Tell whether a run has reached the phase, or is beyond it."""
    return entry is not None and phase in (past["phase"] for past in entry["phases"])


def watch(journal: Journal, stage: Stage, phase: str) -> None:
    """Wait for a new run to reach the phase, and stop it there."""
    say("watching")
    while stage.stopped is None:
        pid = stage.find()
        if pid is not None:
            # It may end while it is looked at.
            with contextlib.suppress(OSError):
                stage.stop_at(pid, journal, phase)
        elif has_reached(journal.entry(), phase):
            break
        else:
            time.sleep(SCAN_SECONDS)
    entry = journal.entry() or {}
    event = "reached" if stage.stopped and entry["phase"] == phase else "passed"
    say(event, phase=entry["phase"], release=entry["release"], pid=stage.stopped)


def listen(orders: "queue.Queue[str]") -> None:
    """Pass on what the other side says; its end ends this program, and so lets the stage go."""
    for order in sys.stdin:
        orders.put(order.strip())
    os._exit(0)


def await_end(pid: int) -> None:
    """Wait until a process has ended. Raises TimeoutError when it does not."""
    deadline = time.monotonic() + STAGE_SECONDS
    while status(pid).get("State", "Z")[0] != "Z":
        if time.monotonic() > deadline:
            raise TimeoutError("the stage does not end")
        time.sleep(0.05)


def main(app: str, phase: str) -> None:
    """Stop one run of the app at the phase, and obey until the other side is gone."""
    home = Path("/opt/fairlead", app)
    orders: queue.Queue[str] = queue.Queue()
    journal, stage = Journal(home / "journal.json"), Stage(home)
    threading.Thread(target=listen, args=(orders,), daemon=True).start()
    watch(journal, stage, phase)
    while True:
        if orders.get() == "cut":
            stage.cut()
        else:
            pid = stage.thaw()
            if pid is not None:
                await_end(pid)
            say("idle")


if __name__ == "__main__":
    main(*sys.argv[1:])
