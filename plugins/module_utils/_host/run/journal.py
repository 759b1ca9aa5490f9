# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The journal of the current or last run on a host, which is the right to release as well."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Dict, Iterator, Optional, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths, now
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.state import (
    Stored,
    previous_of,
    read_state,
    set_aside,
    write_state,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import controller
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.entry import KEYS, PHASES, Entry
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

# How long a stage waits for the lock of one that is just ending.
LOCK_SECONDS = 1.0
POLL_SECONDS = 0.1
# How long a stage whose controller is gone is waited for, by a run that was not told to wait: it has time limits of its own.
ABANDONED_SECONDS = 900.0
# Locks that this process keeps for the next stage of a run that it does as a whole, until it ends.
_KEPT: Dict[Tuple[Path, str], int] = {}


class Journal:
    """One run's way through its phases.

    While a stage runs, a lock on the app's directory protects it; the kernel frees it when the process ends, however it ends.
    Between two stages the unfinished journal is a lease: no other run may begin until it expires.  Nobody has to remove either.

    Args:
        paths: the app's files.
        run: id of this run of the playbook.
        owner: who runs it, for messages.
        lease_seconds: how long the lease lasts between two stages.
        wait_seconds: how long to wait for another run that is at work.
        whole: whether the next stage needs no controller, because this process begins it.
    """

    def __init__(self, paths: AppPaths, run: str, owner: str, lease_seconds: float, wait_seconds: float = 0.0, whole: bool = False) -> None:
        self._home = paths.home
        # Locked while the stage that runs has its controller; a directory that is there already, as check mode makes none.
        self._controlled = paths.releases
        self._path = paths.journal
        self._app = paths.app
        self._run = run
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._wait_seconds = wait_seconds
        self._whole = whole

    @contextmanager
    def lock(self) -> Iterator[str]:
        """Hold the lock of a running stage, once no other run has the right to release; yields for whom it was waited.

        A lease may belong to a controller that died.  So it is waited for until it expires, or until its run goes on.  A stage that lost
        its controller is waited for as well.

        Raises:
            ReleaseError: LOCKED when another run is at work, and does not end while it is waited for.
        """
        # The directory itself is what is locked: no file to create, so check mode can ask as well.
        kept = _KEPT.pop((self._home, self._run), None)
        handle = os.open(self._home, os.O_RDONLY | os.O_DIRECTORY) if kept is None else kept
        began = time.monotonic()
        try:
            holder = self.unfinished()
            if kept is None:
                self._acquire(handle, began + self._wait_seconds)
            with controller.watched(self._controlled):
                yield self._waited_for(holder, time.monotonic() - began)
        finally:
            if self._whole:
                _KEPT[self._home, self._run] = handle
            else:
                os.close(handle)

    @property
    def damage(self) -> str:
        """What is wrong with the journal; empty when it is whole or never was."""
        return self._stored().damage

    def last(self) -> Optional[Entry]:
        """Return the current or last run, whoever runs it, or None."""
        body = self._stored().body
        return Entry.from_dict(body) if body else None

    def _stored(self) -> Stored:
        return read_state(self._path, KEYS)

    def unfinished(self) -> Optional[Entry]:
        """Return the run that was not ended, or None.  Call with the lock held."""
        entry = self.last()
        return entry if entry and not entry.ended else None

    def is_mine(self) -> bool:
        """Tell whether this run is the one that is unfinished here."""
        return self._mine() is not None

    def begin(self, action: str, live: Optional[str]) -> None:
        """Begin a run.  Call with the lock held, when what an earlier one left is cleared away."""
        self._write(Entry(self._run, self._owner, action, now(), boot_id(), live).at(PHASES[0]))

    def resume(self) -> None:
        """Go on in a later stage.  Call with the lock held.

        Raises:
            ReleaseError: LEASE_LOST when another run began meanwhile.
        """
        entry = self._mine()
        if entry is None:
            raise ReleaseError(
                "LEASE_LOST",
                "this run lost its lease: it paused too long between two stages, and another run began",
                "see playbooks/status.yml, then deploy again",
            )
        self._write(replace(entry, expires=None, until=None, boot=boot_id()))

    def enter(self, phase: str, release: Optional[str] = None) -> None:
        """Write down that a phase is reached, and the release as soon as it has an id."""
        entry = self._mine()
        if entry is not None:
            self._write(replace(entry.at(phase), release=release or entry.release))

    def pause(self) -> None:
        """End a stage; the lease protects the run until its next one, unless nobody is left to begin that."""
        entry = self._mine()
        if entry is not None:
            lease = self._lease_seconds if self._whole or not controller.is_gone() else 0.0
            self._write(replace(entry, expires=time.monotonic() + lease, until=now(lease)))

    def fail(self, code: str, message: str) -> None:
        """Write down why the run failed.  It has no lease from now on."""
        entry = self._mine()
        if entry is not None:
            self._write(replace(entry, code=code, message=message, expires=None))

    def end(self, entry: Optional[Entry], outcome: str) -> None:
        """End a run, this one or one that died."""
        entry = entry or self.unfinished()
        if entry is not None and not entry.ended:
            self._write(replace(entry.at(outcome), expires=None, until=None))

    def _mine(self) -> Optional[Entry]:
        entry = self.unfinished()
        return entry if entry and entry.run == self._run else None

    def mend(self) -> str:
        """Put the copy before it in the place of a damaged journal, and tell the damage; empty when there is none."""
        stored = self._stored()
        if stored.damage:
            set_aside(self._path)
            if stored.body is None:
                set_aside(previous_of(self._path))
            else:
                write_state(self._path, stored.body)
        return stored.damage

    def _write(self, entry: Entry) -> None:
        write_state(self._path, entry.as_dict())

    def _lease_of_other(self) -> Optional[Entry]:
        """Return the journal of another run whose lease is in force.

        Monotonic time, which a wrong clock cannot bend, starts anew with each boot.
        """
        entry = self.unfinished()
        if entry is None or entry.run == self._run or entry.expires is None or entry.boot != boot_id():
            return None
        return entry if entry.expires > time.monotonic() else None

    def _acquire(self, handle: int, deadline: float) -> None:
        while True:
            self._await_lease(deadline)
            self._flock(handle, deadline)
            # The one whose stage ended meanwhile may go on.
            held = self._lease_of_other()
            if held is None:
                return
            fcntl.flock(handle, fcntl.LOCK_UN)
            self._refuse(held, deadline)

    def _await_lease(self, deadline: float) -> None:
        first = held = self._lease_of_other()
        while held is not None:
            if held != first:
                self._refuse(held, deadline)
            time.sleep(POLL_SECONDS)
            held = self._lease_of_other()

    def _flock(self, handle: int, deadline: float) -> None:
        deadline = max(deadline, time.monotonic() + LOCK_SECONDS)
        abandoned = max(deadline, time.monotonic() + ABANDONED_SECONDS)
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._refuse(self.unfinished(), deadline if controller.is_watching(self._controlled) else abandoned)
                time.sleep(POLL_SECONDS)
            else:
                return

    def _refuse(self, holder: Optional[Entry], deadline: float) -> None:
        """Give up, unless there is time left to wait."""
        if time.monotonic() < deadline:
            return
        waited = f"; it was waited for {self._wait_seconds:g} s" if self._wait_seconds else ""
        who = f"another run began to release {self._app} here a moment ago"
        if holder is not None:
            who = f"{holder.owner} is releasing {self._app} here since {holder.since} (run {holder.run}, {holder.phase})"
        raise ReleaseError(
            "LOCKED",
            f"{who}{waited}",
            "wait for that run to end, or have this one wait for it: -e lock_wait=300 (seconds)",
        )

    def _waited_for(self, holder: Optional[Entry], seconds: float) -> str:
        """Say for whom it was waited, and what became of that run; empty when nobody had to wait."""
        if seconds <= LOCK_SECONDS:
            return ""
        who = f"{holder.action} of {holder.owner} (run {holder.run}, since {holder.since})" if holder else "another run"
        entry = self.last()
        ended = entry is not None and holder is not None and entry.run == holder.run and entry.ended
        return f"WAITED: {seconds:.0f} s for the {who}, which {'ended as ' + entry.phase if entry and ended else 'did not finish'}"


def boot_id() -> str:
    """Return what tells one boot of this host from the next."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
