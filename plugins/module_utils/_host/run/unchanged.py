# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the live release is what a deploy asks for."""

from __future__ import annotations

from typing import Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.distance import distance
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.schema import ALEMBIC
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import has_record, read_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle_write import Bundle
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import known_migrations
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import Ledger
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import drift as _drift
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import stage as _stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Stage


def is_same(stage: Stage, ledger: Ledger, bundle: Bundle, live: Optional[str]) -> bool:
    """Tell whether the live release has the same image and configuration, unchanged by hand, its run was finished, and users reach it."""
    if live is None or not has_record(stage.paths, live):
        return False
    drift = _drift.findings(stage.paths, ledger, live)
    stage.warnings += [f"DRIFT: {finding}" for finding in drift.all]
    if drift.of_release or read_record(stage.paths, live).release.config_hash != bundle.fingerprint():
        return False
    container = Candidate(stage.paths, live).container()
    lasting = container is not None and container["State"]["Running"] and docker.is_kept_running(container)
    if not lasting or docker.running_releases(stage.paths.app) != [live] or not _fits_database(stage, ledger, live):
        return False
    problems = _stage.unreached(stage.paths, live)
    stage.warnings += [f"DRIFT: users do not reach the live release: {problem}" for problem in problems]
    return not problems


def _fits_database(stage: Stage, ledger: Ledger, live: str) -> bool:
    """Tell whether the database is what the live release needs; after a restore it may be behind."""
    schema = ledger.get(live).schema
    database = find_database(stage.paths) if schema and schema.tool == ALEMBIC else None
    if schema is None or database is None:
        return True
    now = database.look(stage.settings["migrate_version_table"]).revision
    if list(now) == schema.accepted:
        return True  # on an operator's word, at a rollback
    return distance(known_migrations(ledger.releases), schema.heads, now).harmless
