# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decisions about the releases on record, free of I/O so that they can be tested as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Set

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.schema import ALEMBIC
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import (
    FAILED,
    GONE,
    KEPT,
    LIVE,
    PREPARED,
    PRUNED,
    Release,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import Migration


def release_id(number: int) -> str:
    """Return the id of the release with this number."""
    return f"r{number}"


def release_number(release: str) -> int:
    """Return the number in a release's id."""
    return int(release[1:])


def find(releases: Sequence[Release], wanted: Optional[str]) -> Optional[Release]:
    """Return the release with the id `wanted`, or None."""
    return next((release for release in releases if release.id == wanted), None)


def known_migrations(releases: Sequence[Release]) -> Dict[str, Migration]:
    """Return all migrations that releases on record brought, by revision; the last word about each counts."""
    return {migration.revision: migration for release in releases if release.schema for migration in release.schema.migrations}


def heads_on_record(releases: Sequence[Release], wanted: Release) -> List[str]:
    """Return the revisions that Alembic named for the same image with the same configuration before; none where it was not asked."""
    same = (one.schema for one in reversed(releases) if one.config_hash == wanted.config_hash)
    return next((schema.heads for schema in same if schema and schema.tool == ALEMBIC and schema.heads), [])


def kept_ids(releases: Sequence[Release], live: Optional[str], keep: int) -> List[str]:
    """Return the live release and the `keep` releases that successive rollbacks would go back to, nearest first."""
    kept: List[str] = []
    release = find(releases, live)
    while release and release.id not in kept and len(kept) <= keep:
        kept.append(release.id)
        release = find(releases, release.previous)
    return kept


def prunable(releases: Sequence[Release], live: Optional[str], keep: int) -> List[str]:
    """Return ids whose container, bundle and image may go: not live, no rollback target, not among the newest, not gone yet.

    The newest are kept as well, so that a release that was just rolled away from can be gone forward to again, by name.
    """
    served = [release.id for release in releases if release.status not in GONE]
    kept = {*kept_ids(releases, live, keep), *served[-(keep + 1) :]}
    return [release for release in served if release not in kept]


def unneeded_images(releases: Sequence[Release]) -> List[str]:
    """Return the images of releases that failed or were pruned, unless one that is kept has the same."""
    gone: Set[str] = set()
    needed: Set[str] = set()
    for release in releases:
        (gone if release.status in GONE else needed).add(release.image.reference)
    return sorted(gone - needed)


def rebuilt_releases(known: Sequence[Release], bundles: Sequence[Release], live: Optional[str]) -> List[Release]:
    """Return the releases of a record that was damaged, oldest first.

    Args:
        known: what a copy from before still knew.
        bundles: what the bundles on the host say of themselves, which is not what became of them.
        live: the release that the route names; None when that is lost as well, and then none is taken for one that never served.
    """
    with_record = {release.id: release for release in known}
    by_id = {**{release.id: release for release in bundles}, **with_record}
    for release in by_id.values():
        if release.id == live:
            release.status = LIVE
        elif release.id not in with_record:
            # A bundle older than the live one served: those of failed releases are removed.
            served = live is None or release_number(release.id) < release_number(live)
            release.status = KEPT if served else PREPARED
        elif release.status == LIVE:
            release.status = KEPT
    return sorted(by_id.values(), key=lambda release: release_number(release.id))


@dataclass(frozen=True)
class Target:
    """Where a rollback goes, or why it cannot."""

    release: Optional[Release]
    problem: str = ""


def rollback_target(releases: Sequence[Release], live: Optional[str], wanted: Optional[str] = None) -> Target:
    """Choose the release to roll back to.

    Without `wanted` it is the one that was live before the live one; so rolling back twice goes two releases back, and a
    release that was rolled away from is never chosen by itself.
    """
    current = find(releases, live)
    if current is None:
        return Target(None, "nothing is live here, so there is nothing to roll back from")
    if wanted == live:
        return Target(None, f"{live} is live already")
    if wanted:
        target = find(releases, wanted)
        if target is None or target.status in (FAILED, PREPARED):
            return Target(None, f"{wanted} never served here")
    else:
        target = find(releases, current.previous)
        if target is None:
            return Target(None, f"{live} is the first release here; there is no earlier one")
    if target.status == PRUNED:
        return Target(None, f"{target.id} was removed by retention")
    return Target(target)
