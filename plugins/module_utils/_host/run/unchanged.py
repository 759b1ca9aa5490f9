# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the live release is what a deploy asks for."""

from __future__ import annotations

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import retirement
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.distance import distance
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.schema import ALEMBIC
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle_write import Bundle
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import known_migrations
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.snapshot import Snapshot
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import drift as _drift
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import stage as _stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Stage


def is_same(stage: Stage, host: Snapshot, bundle: Bundle) -> bool:
    """Tell whether the live release has the same image and configuration, unchanged by hand, its run was finished, and users reach it."""
    if host.bundle is None:
        return False
    drift = _drift.findings(stage.paths, host)
    stage.warnings += [f"DRIFT: {finding}" for finding in drift.all]
    if drift.of_release or host.bundle.release.config_hash != bundle.fingerprint():
        return False
    container = host.container
    lasting = container is not None and container["State"]["Running"] and docker.is_kept_running(container)
    if not lasting or not _is_alone(stage, host) or not _fits_database(stage, host):
        return False
    problems = _stage.unreached(stage.paths, host.bundle)
    stage.warnings += [f"DRIFT: users do not reach the live release: {problem}" for problem in problems]
    return not problems


def _is_alone(stage: Stage, host: Snapshot) -> bool:
    """Tell whether nothing else runs but releases that are being stopped."""
    others = [release for release in host.running if release != host.live]
    return len(others) < len(host.running) and all(retirement.is_under_way(stage.paths.app, release) for release in others)


def _fits_database(stage: Stage, host: Snapshot) -> bool:
    """Tell whether the database is what the live release needs; after a restore it may be behind."""
    schema = host.release.schema if host.release else None
    database = find_database(stage.paths) if schema and schema.tool == ALEMBIC else None
    if schema is None or database is None:
        return True
    now = database.look(stage.settings["migrate_version_table"]).revision
    if list(now) == schema.accepted:
        return True  # on an operator's word, at a rollback
    return distance(known_migrations(host.ledger.releases), schema.heads, now).harmless
