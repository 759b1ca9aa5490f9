# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The on-host record of releases, the route, and the lease.  Private to this collection."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._files import (
    AppPaths,
    read_json,
    sync_directory,
    write_atomically,
    write_json,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._rules import (
    RELEASE_ID,
    Record,
    find,
    release_id,
)

SCHEMA = 1
LEASE_KEYS = ("app", "run", "owner", "since", "boot", "expires", "until")
# How many releases stay in the record when their files are gone.
HISTORY = 100
GONE = ("failed", "pruned")


def read_route(paths: AppPaths) -> Optional[str]:
    """Return the id of the live release, or None when nothing is live.  The route is the only truth about it."""
    try:
        text = paths.route.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
    return text if RELEASE_ID.fullmatch(text) else None


def write_route(paths: AppPaths, release: Optional[str]) -> None:
    """Make `release` live: one rename, from then on the edge sends new requests there.  None: nothing is live."""
    if release is None:
        paths.route.unlink(missing_ok=True)
        sync_directory(paths.route.parent)
    else:
        write_atomically(paths.route, release + "\n", mode=0o644)


class Ledger:
    """The releases of one app on this host, oldest first."""

    def __init__(self, paths: AppPaths) -> None:
        self._path = paths.ledger
        stored = read_json(self._path, ("schema", "next", "releases")) or {"schema": SCHEMA, "next": 1, "releases": []}
        if stored["schema"] != SCHEMA:
            raise ReleaseError(
                "STATE_SCHEMA",
                f"{self._path} was written by another version of Fairlead (schema {stored['schema']}, this one knows {SCHEMA})",
                "use the version of the collection that wrote it, or a newer one",
            )
        self.next: int = stored["next"]
        self.releases: List[Record] = stored["releases"]

    def get(self, release: Optional[str]) -> Record:
        """Return the record of `release`.

        Raises:
            ReleaseError: UNKNOWN_RELEASE when there is none.
        """
        record = find(self.releases, release)
        if record is None:
            raise ReleaseError("UNKNOWN_RELEASE", f"release {release} is not in {self._path}", "start again with a deploy")
        return record

    def add(self, **fields: Any) -> Record:
        """Add a record with the next id; ids are never used twice."""
        record = {"id": release_id(self.next), "status": "prepared", "prepared_at": now(), **fields}
        self.next += 1
        self.releases.append(record)
        self.save()
        return record

    def save(self) -> None:
        earlier, recent = self.releases[:-HISTORY], self.releases[-HISTORY:]
        releases = [record for record in earlier if record["status"] not in GONE] + recent
        write_json(self._path, {"schema": SCHEMA, "next": self.next, "releases": releases})

    def mark_live(self, release: str) -> None:
        """Record that the route names `release`, and what that makes of the one before."""
        for record in self.releases:
            if record["status"] == "live" and record["id"] != release:
                record["status"] = "kept"
        record = self.get(release)
        if record["status"] != "live":
            record.update(status="live", live_at=now())
        self.save()


def now() -> str:
    """Return the time in UTC, for people; nothing is decided by it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@contextmanager
def stage_lock(paths: AppPaths) -> Iterator[None]:
    """Hold the lock of a running stage.  The kernel frees it when the process ends, however it ends.

    Raises:
        ReleaseError: LOCKED when another stage is running on this host.
    """
    # The directory itself is what is locked: no file to create, so check mode can ask as well.
    handle = os.open(paths.home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _flock(handle, paths)
        yield
    finally:
        os.close(handle)


def _flock(handle: int, paths: AppPaths) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise locked(read_json(paths.lease, LEASE_KEYS) or {}) from error


def locked(lease: Dict[str, Any]) -> ReleaseError:
    """Return the error that names who holds the right to release."""
    return ReleaseError(
        "LOCKED",
        f"{lease.get('owner', 'another run')} is releasing {lease.get('app', 'this app')} here since {lease.get('since', 'a moment ago')}"
        f" (run {lease.get('run', 'unknown')})",
        f"wait for that run; if it is dead, its right to release ends by itself at {lease.get('until', 'the end of its stage')}",
    )


class Lease:
    """The right to release, for the time between the stages of one run.

    It expires by itself, so that nobody has to remove it when a controller dies.

    Args:
        paths: the app's files.
        run: id of this run of the playbook.
        owner: who runs it, for messages.
    """

    def __init__(self, paths: AppPaths, run: str, owner: str) -> None:
        self._path: Path = paths.lease
        self._app = paths.app
        self._run = run
        self._owner = owner

    def take(self, seconds: int) -> None:
        """Take or extend the lease for `seconds` from now.

        Raises:
            ReleaseError: LOCKED when another run holds it.
        """
        self.check_free()
        held = read_json(self._path, LEASE_KEYS)
        since = held["since"] if held and held["run"] == self._run else now()
        write_json(
            self._path,
            {
                "app": self._app,
                "run": self._run,
                "owner": self._owner,
                "since": since,
                "boot": _boot_id(),
                "expires": time.monotonic() + seconds,
                "until": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds)),
            },
        )

    def check_free(self) -> None:
        """Check that no other run holds the lease, without taking it.

        Raises:
            ReleaseError: LOCKED when one does.
        """
        held = read_json(self._path, LEASE_KEYS)
        if held and held["run"] != self._run and _running(held):
            raise locked(held)

    def require(self) -> None:
        """Check that this run still holds the lease.

        Raises:
            ReleaseError: LEASE_LOST when it expired and another run took it, or was never taken.
        """
        held = read_json(self._path, LEASE_KEYS)
        if not held or held["run"] != self._run:
            raise ReleaseError(
                "LEASE_LOST",
                "this run no longer holds the right to release: it paused too long between two stages",
                "look at playbooks/status.yml, then deploy again",
            )

    def release(self) -> None:
        """Give the lease back, if it is this run's."""
        held = read_json(self._path, LEASE_KEYS)
        if held and held["run"] == self._run:
            self._path.unlink(missing_ok=True)


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _running(held: Dict[str, Any]) -> bool:
    """Tell whether a lease is in force.  Monotonic time, which a wrong clock cannot bend, starts anew with each boot."""
    return bool(held["boot"] == _boot_id() and held["expires"] > time.monotonic())
