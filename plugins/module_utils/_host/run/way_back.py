# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rollback makes of the database's schema."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any, Dict, List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations import distance, schema
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.image import Image
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database, described, find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import has_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import known_migrations
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import Ledger
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import Release, Schema
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


def downgrade(stage: Stage, ledger: Ledger, target: Release, image: Image) -> Optional[Dict[str, Any]]:
    """Return what has to be undone in the database for the target.

    Args:
        stage: the rollback.
        ledger: the record of releases.
        target: the release to go back to.
        image: what its migrations are run from.

    Raises:
        ReleaseError: ROLLBACK_SCHEMA when something may have to be, and nobody said what becomes of it.
    """
    wanted = stage.params["schema"]
    database = find_database(stage.paths) if image.tool != schema.NONE else None
    if database is None:
        return None
    if wanted == "keep":
        _accept(stage, ledger, target, image, database)
        return None
    revision = _revision(image, database)
    heads = target.heads
    way = distance.distance(known_migrations(ledger.releases), heads, revision)
    if way.harmless:
        return None
    by = None
    if image.tool == schema.ALEMBIC and not way.problem and len(heads) == 1:
        by = next((release.id for release in reversed(ledger.releases) if _is_for(stage, release, revision)), None)
    if wanted == "downgrade" and by:
        return {"by": by, "to": heads[0], "revision": revision}
    why = way.problem or f"since it was live, {len(way.crossed)} migrations changed what it was made for"
    raise ReleaseError(
        "ROLLBACK_SCHEMA",
        f"{target.title} was made for {described(heads)}, the database is at {described(revision)}: {why}",
        "choose one: " + "; ".join(_ways_out(ledger, target, way, by)),
        distance.gate_lines(way.crossed),
    )


def _accept(stage: Stage, ledger: Ledger, target: Release, image: Image, database: Database) -> None:
    """Note that the target may run with the database as it is, so that the same again, asked for by its tag, is what was wanted."""
    with contextlib.suppress(ReleaseError):  # also where the database does not answer
        revision = _revision(image, database)
        if not stage.check_mode:
            ledger.note_schema(target.id, replace(target.schema or Schema(image.tool), accepted=revision))


def _revision(image: Image, database: Database) -> List[str]:
    if image.tool == schema.ALEMBIC:
        return list(database.look(image.settings["migrate_version_table"]).revision)
    return [schema.CHECKSUM + database.schema_checksum()]


def _is_for(stage: Stage, release: Release, revision: List[str]) -> bool:
    return bool(release.heads) and sorted(release.heads) == sorted(revision) and has_record(stage.paths, release.id)


def _ways_out(ledger: Ledger, target: Release, way: distance.Distance, by: Optional[str]) -> List[str]:
    first = way.crossed[-1].revision if way.crossed else None
    backups = [
        release.schema.backup
        for release in reversed(ledger.releases)  # when it was tried more than once, the last time is when it was run
        if release.schema and release.schema.backup and first in {migration.revision for migration in release.schema.migrations}
    ]
    ways = ["1. go forward: deploy a release with the fault fixed"]
    if by:
        ways.append(f"2. -e schema=downgrade: {by}'s image undoes the migrations, after a backup; what they added is lost")
    else:
        ways.append("2. (-e schema=downgrade is not possible: no release on this host is known to have the way back)")
    if backups:
        when = f"{backups[0][:4]}-{backups[0][4:6]}-{backups[0][6:8]} {backups[0][9:11]}:{backups[0][11:13]} UTC"
        ways.append(
            f"3. playbooks/restore.yml -e backup={backups[0]}, from before them, then this again: what was written since {when} is lost"
        )
    else:
        ways.append(
            "3. playbooks/restore.yml with a backup from before them (playbooks/status.yml lists them): what was written since is lost"
        )
    return [*ways, f"or -e schema=keep, if you know that {target.id} works with the database as it is"]
