# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decisions about the releases on record, free of I/O so that they can be tested as tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Set

RELEASE_ID = re.compile(r"r[1-9][0-9]{0,8}")
Record = Dict[str, Any]


def release_id(number: int) -> str:
    """Return the id of the release with this number."""
    return f"r{number}"


def release_number(release: str) -> int:
    """Return the number in a release's id."""
    return int(release[1:])


def find(releases: Sequence[Record], wanted: Optional[str]) -> Optional[Record]:
    """Return the record with the id `wanted`, or None."""
    return next((record for record in releases if record["id"] == wanted), None)


def kept_ids(releases: Sequence[Record], live: Optional[str], keep: int) -> List[str]:
    """Return the live release and the `keep` releases that successive rollbacks would go back to, nearest first."""
    kept: List[str] = []
    record = find(releases, live)
    while record and record["id"] not in kept and len(kept) <= keep:
        kept.append(record["id"])
        record = find(releases, record.get("previous"))
    return kept


def prunable(releases: Sequence[Record], live: Optional[str], keep: int) -> List[str]:
    """Return ids whose container, bundle and image may go: not live, no rollback target, not among the newest, not gone yet.

    The newest are kept as well, so that a release that was just rolled away from can be gone forward to again, by name.
    """
    served = [r["id"] for r in releases if r["status"] not in ("pruned", "failed")]
    kept = {*kept_ids(releases, live, keep), *served[-(keep + 1) :]}
    return [release for release in served if release not in kept]


def image_of(record: Record) -> str:
    """Return a release's image by digest."""
    return f"{record['image']}@{record['digest']}"


def unneeded_images(releases: Sequence[Record]) -> List[str]:
    """Return the images of releases that failed or were pruned, unless one that is kept has the same."""
    gone: Set[str] = set()
    needed: Set[str] = set()
    for record in releases:
        (gone if record["status"] in ("failed", "pruned") else needed).add(image_of(record))
    return sorted(gone - needed)


def rebuilt_releases(known: Sequence[Record], bundles: Sequence[Record], live: Optional[str]) -> List[Record]:
    """Return the releases of a record that was damaged, oldest first.

    Args:
        known: what a copy from before still knew.
        bundles: what the bundles on the host say of themselves.
        live: the release that the route names; None when that is lost as well, and then none is taken for one that never served.
    """
    by_id = {bundle["id"]: {"prepared_at": None, **bundle} for bundle in bundles}
    releases = sorted({**by_id, **{record["id"]: record for record in known}}.values(), key=lambda r: release_number(r["id"]))
    for record in releases:
        if record["id"] == live:
            record["status"] = "live"
        elif record.get("status") == "live":
            record["status"] = "kept"
        else:
            # A bundle older than the live one served: those of failed releases are removed.
            served = live is None or release_number(record["id"]) < release_number(live)
            record.setdefault("status", "kept" if served else "prepared")
    return releases


@dataclass(frozen=True)
class Target:
    """Where a rollback goes, or why it cannot."""

    record: Optional[Record]
    problem: str = ""


def rollback_target(releases: Sequence[Record], live: Optional[str], wanted: Optional[str] = None) -> Target:
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
        record = find(releases, wanted)
        if record is None or record["status"] in ("failed", "prepared"):
            return Target(None, f"{wanted} never served here")
    else:
        record = find(releases, current.get("previous"))
        if record is None:
            return Target(None, f"{live} is the first release here; there is no earlier one")
    if record["status"] == "pruned":
        return Target(None, f"{record['id']} was removed by retention")
    return Target(record)
