# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Second stage of a deploy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import verdict
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import retirement
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations import distance as _distance
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations import schema as _schema
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.plan import Plan
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import described, find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import has_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import Schema
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.migration import MigrationRun
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Result, Stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import CONTRACT, UNKNOWN, Migration

# One slow answer tells nothing.
ASKED = 3


def run(stage: Stage) -> Result:
    """Bring the database to what the release needs."""
    plan = Plan.from_dict(stage.params["plan"])
    with stage.lock():
        _gate(plan, stage.params["allow_contract"])
        if stage.check_mode:
            return {"changed": True, "output": [], "migrations": _told(plan.pending), "backup": None}
        ledger = stage.resume()
        release = Candidate(stage.paths, stage.params["release"])
        retirement.complete(stage.paths)
        migration = MigrationRun(stage, release.for_migrations, find_database(stage.paths))
        with migration.alone(plan.revision):
            pending = plan.pending if migration.has_pending() else []
            if pending and release.settings["migrate_backup"] and not plan.fresh:
                migration.back_up(read_route(stage.paths))
            planned = Schema(plan.tool, plan.heads, pending, plan.revision, migration.backup_id)
            if pending:
                # Before it runs: were this process killed meanwhile, nobody would know how the database came to where it is.
                ledger.note_schema(release.id, planned)
            output = migration.run(release.settings["migrate_command"] if pending else [], around=True)
            after = migration.revision()
        schema = _reached(planned, plan, after, release.settings) if pending else planned
        if pending:
            ledger.note_schema(release.id, schema)
        _ask_live_release(stage)
        stage.journal.enter("MIGRATED")
        stage.journal.pause()
        return {
            "changed": True,
            "output": [stage.redact(line) for line in output],
            "migrations": _told(schema.migrations),
            "backup": migration.backup_id,
        }


def _gate(plan: Plan, allowed: bool) -> None:
    contract = [migration for migration in plan.pending if migration.impact == CONTRACT]
    # An empty database has no release that could miss anything.
    if not contract or allowed or plan.fresh:
        return
    raise ReleaseError(
        "CONTRACT_BLOCKED",
        f"{len(contract)} of {len(plan.pending)} pending migrations would break the live release",
        "first deploy a release that no longer uses what goes; then this one with -e allow_contract=true",
        _distance.gate_lines(contract),
    )


def _reached(planned: Schema, plan: Plan, after: List[str], settings: Settings) -> Schema:
    """Return what the release was made for and what brought the database there, now that it is there."""
    if plan.tool != _schema.ALEMBIC or not plan.heads:
        reached = [revision for revision in after if revision not in plan.revision]
        return replace(planned, heads=after, migrations=[Migration(name, tuple(plan.revision), impact=UNKNOWN) for name in reached])
    if sorted(after) != sorted(plan.heads):
        raise ReleaseError(
            "MIGRATION_FAILED",
            f"the migration ended without an error, but the database is at {described(after)} instead of {described(plan.heads)}",
            f"look at app_release_migrate_command, and at app_release_migrate_version_table, which is {settings['migrate_version_table']}: "
            "it must be what env.py has as version_table, with version_table_schema and a dot before it if env.py has that",
        )
    return planned


def _told(migrations: Sequence[Migration]) -> List[Dict[str, Any]]:
    """Return migrations as the controller hands them to the hosts of a fleet, which record them as well."""
    return [migration.recorded() for migration in migrations]


def _ask_live_release(stage: Stage) -> None:
    """Ask whether users are still served well; the schema cannot be taken back, so this is told, and the new release goes on."""
    live = read_route(stage.paths)
    if not live or not has_record(stage.paths, live):
        return
    release = Candidate(stage.paths, live)
    container = release.container()
    for dummy in range(ASKED):
        problem = "its container is gone"
        if container is not None:
            answer = release.listener(container).get(release.settings["ready_path"])
            problem = verdict(answer, release.settings["identity"], live)
        if not problem:
            return
    stage.warnings.append(f"OLD_NOT_READY: {release.title} is not ready any more with the migrated database: {problem}")
