# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The route, and the on-host record of releases."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths, now, sync_directory, write_atomically
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.state import read_state, set_aside, write_state
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import bundle
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import (
    RELEASE_ID,
    Record,
    find,
    rebuilt_releases,
    release_id,
    release_number,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

# How many releases stay in the record when their files are gone.
HISTORY = 100
GONE = ("failed", "pruned")


def route_text(paths: AppPaths) -> Optional[str]:
    """Return what the route says, whatever it is, or None when there is no route."""
    try:
        return paths.route.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None


def read_route(paths: AppPaths) -> Optional[str]:
    """Return the id of the live release, or None when nothing is live.  The route is the only truth about it."""
    text = route_text(paths)
    return text if text is not None and RELEASE_ID.fullmatch(text) else None


def write_route(paths: AppPaths, release: Optional[str]) -> None:
    """Make `release` live: one rename, from then on the edge sends new requests there.  None: nothing is live."""
    if release is None:
        paths.route.unlink(missing_ok=True)
        sync_directory(paths.route.parent)
    else:
        write_atomically(paths.route, release + "\n", mode=0o644)


class Ledger:
    """The releases of one app on this host, oldest first.

    A damaged or lost record is rebuilt from the copy before it, the bundles, the route and what runs; nothing is written before `save`.

    Args:
        paths: the app's files.

    Raises:
        ReleaseError: STATE_SCHEMA when another version of the collection wrote it.
    """

    def __init__(self, paths: AppPaths) -> None:
        self._paths = paths
        self._path = paths.ledger
        stored = read_state(self._path, ("next", "releases"))
        self.releases: List[Record] = stored.body["releases"] if stored.body else []
        self.next: int = stored.body["next"] if stored.body else 1
        self.damage = stored.damage
        if self.damage or stored.body is None:
            self._rebuild(paths)

    def _rebuild(self, paths: AppPaths) -> None:
        bundles = bundle.all_records(paths)
        if bundles and not self.damage:
            self.damage = f"{self._path} is gone"
        live = read_route(paths)
        if bundles and find(bundles, live) is None:
            # The route is lost as well: what the engine was told to keep running is what served.
            live = max(docker.kept_running_releases(paths.app), key=release_number, default=live)
        self.releases = rebuilt_releases(self.releases, bundles, live)
        taken = {*(record["id"] for record in self.releases), *bundle.ids(paths), *([live] if live else [])}
        self.next = max([self.next, *(release_number(release) + 1 for release in taken)])

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

    def note_schema(self, release: str, schema: Dict[str, Any]) -> None:
        """Record what a release was made for, and what it did to the database.

        Args:
            release: its id.
            schema: ``tool``, ``heads`` and ``migrations``; once it migrated also ``from`` (the revision before) and ``backup``.
        """
        self.get(release)["schema"] = schema
        self.save()
        bundle.note_schema(self._paths, release, schema)

    def save(self) -> None:
        """Write the record; a damaged one is kept beside it."""
        if self.damage and self._path.exists():
            set_aside(self._path)
        self.damage = ""
        earlier, recent = self.releases[:-HISTORY], self.releases[-HISTORY:]
        releases = [record for record in earlier if record["status"] not in GONE] + recent
        write_state(self._path, {"next": self.next, "releases": releases})

    def mark_live(self, release: str) -> None:
        """Record that the route names `release`, and what that makes of the one before."""
        for record in self.releases:
            if record["status"] == "live" and record["id"] != release:
                record["status"] = "kept"
        record = self.get(release)
        if record["status"] != "live":
            record.update(status="live", live_at=now())
        self.save()
