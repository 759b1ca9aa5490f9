# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The route, and the on-host record of releases."""

from __future__ import annotations

from typing import List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths, now, sync_directory, write_atomically
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.state import UNREADABLE, read_state, set_aside, write_state
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import bundle
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.containers import running_releases
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import (
    find,
    rebuilt_releases,
    release_id,
    release_number,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import (
    FORMAT,
    GONE,
    KEPT,
    LIVE,
    RELEASE_ID,
    Release,
    Schema,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

# How many releases stay in the record when their files are gone.
HISTORY = 100


def route_text(paths: AppPaths) -> Optional[str]:
    """Return what the route says, whatever it is, or None when there is no route."""
    try:
        return paths.route.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None


def read_route(paths: AppPaths) -> Optional[str]:
    """Return the id of the live release, or None when nothing is live.  The route is the only truth about it."""
    return release_in(route_text(paths))


def release_in(route: Optional[str]) -> Optional[str]:
    """Return the id of the release that the text of a route names, or None when it names none."""
    return route if route is not None and RELEASE_ID.fullmatch(route) else None


def served_since(paths: AppPaths) -> float:
    """Return since when the route names what it names, in seconds since 1970; 0 when there is no route."""
    try:
        return paths.route.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def write_route(paths: AppPaths, release: Optional[str]) -> None:
    """Make `release` live: one rename, from then on the proxy sends new requests there.  None: nothing is live."""
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
        stored = read_state(self._path, ("next", "releases"), FORMAT)
        self.releases: List[Release] = []
        self.next: int = stored.body["next"] if stored.body else 1
        self.damage = stored.damage
        try:
            self.releases = list(map(Release.from_dict, stored.body["releases"])) if stored.body else []
        except UNREADABLE as error:
            self.damage = self.damage or f"{self._path} is damaged ({error!r} in one of its releases)"
        if self.damage or stored.body is None:
            self._rebuild(paths)

    def _rebuild(self, paths: AppPaths) -> None:
        bundles = bundle.releases(paths)
        if bundles and not self.damage:
            self.damage = f"{self._path} is gone"
        live = read_route(paths)
        if bundles and find(bundles, live) is None:
            # The route is lost as well: what the engine was told to keep running is what served.
            kept = filter(docker.is_kept_running, docker.containers(paths.app))
            live = max(running_releases(kept), key=release_number, default=live)
        self.releases = rebuilt_releases(self.releases, bundles, live)
        taken = {*(release.id for release in self.releases), *bundle.ids(paths), *([live] if live else [])}
        self.next = max([self.next, *(release_number(release) + 1 for release in taken)])

    def get(self, release: Optional[str]) -> Release:
        """Return the release with this id.

        Raises:
            ReleaseError: UNKNOWN_RELEASE when there is none.
        """
        found = find(self.releases, release)
        if found is None:
            raise ReleaseError("UNKNOWN_RELEASE", f"release {release} is not in {self._path}", "deploy again")
        return found

    @property
    def next_id(self) -> str:
        """The id that the next release gets; none is used twice."""
        return release_id(self.next)

    def add(self, release: Release) -> None:
        """Add a release that was prepared just now, under `next_id`."""
        release.prepared_at = now()
        self.next += 1
        self.releases.append(release)
        self.save()

    def note_schema(self, release: str, schema: Schema) -> None:
        """Record what a release was made for, and what it did to the database."""
        self.get(release).schema = schema
        self.save()
        bundle.note_schema(self._paths, release, schema)

    def save(self) -> None:
        """Write the record; a damaged one is kept beside it."""
        if self.damage and self._path.exists():
            set_aside(self._path)
        self.damage = ""
        earlier, recent = self.releases[:-HISTORY], self.releases[-HISTORY:]
        releases = [release.as_dict() for release in (*(old for old in earlier if old.status not in GONE), *recent)]
        write_state(self._path, {"next": self.next, "releases": releases}, FORMAT)

    def mark_live(self, release: str) -> None:
        """Record that the route names `release`, and what that makes of the one before."""
        for other in self.releases:
            if other.status == LIVE and other.id != release:
                other.status = KEPT
        live = self.get(release)
        if live.status != LIVE:
            live.status, live.live_at = LIVE, now()
        self.save()
