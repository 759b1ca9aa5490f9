# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release's migrations would do to the database, found out without changing anything."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations import alembic, distance, schema
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.alembic import Answer
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.image import Image
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.schema import ALEMBIC, COMMAND, NONE, History
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database, State, described
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import Migration


@dataclass(frozen=True)
class Plan:
    """What there is to migrate.

    Args:
        tool: ``alembic``, ``command`` or ``none``.
        heads: what the image was made for; of a tool other than Alembic what the database is at when nothing is pending; empty when
            Alembic could not be asked.
        revision: what the database is at.
        fresh: the database has no tables, so that nothing can be lost.
        pending: the migrations to be run, in order.
        unknown: what could not be told, and why; empty when all could.
        due: there is something to run: migrations, or the commands around them.
    """

    tool: str = NONE
    heads: List[str] = field(default_factory=list)
    revision: List[str] = field(default_factory=list)
    fresh: bool = False
    pending: List[Migration] = field(default_factory=list)
    unknown: str = ""
    due: bool = False

    def as_dict(self) -> Dict[str, Any]:
        """Return it as the stages hand it on, by way of the controller."""
        return {**vars(self), "pending": [migration.as_dict() for migration in self.pending]}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Plan:
        """Read what `as_dict` returned, with what the controller found out about the migrations."""
        return cls(**{**told, "pending": [Migration.from_dict(migration) for migration in told["pending"]]})


def make_plan(image: Image, database: Optional[Database], known: Mapping[str, Migration], heads: Sequence[str] = ()) -> Plan:
    """Compare what an image was made for with the database.

    Args:
        image: the release's to be.
        database: the app's; None when nothing is known of it.
        known: the migrations on record.
        heads: what the image was made for, where Alembic was asked in it before, with the same configuration.

    Raises:
        ReleaseError: REVISION_CONFLICT, DB_UNREACHABLE, DB_UNKNOWN, CONFIG.
    """
    if image.tool == NONE:
        return Plan()
    plan = _made(image, database, known, heads)
    return replace(plan, due=bool(plan.pending or image.settings["migrate_before_command"] or image.settings["migrate_after_command"]))


def _made(image: Image, database: Optional[Database], known: Mapping[str, Migration], heads: Sequence[str]) -> Plan:
    tool = image.tool
    whole = Migration(" ".join(image.settings["migrate_command"]))
    if database is None:
        if tool == ALEMBIC or image.settings["migrate_backup"]:
            raise _unknown()
        return Plan(tool, pending=[whole], unknown=_why_unknown(image))
    if tool == COMMAND:
        state = database.look(image.settings["migrate_version_table"])
        revision = [schema.CHECKSUM + database.schema_checksum()]
        return Plan(tool, revision, revision, state.tables == 0, [whole], _why_unknown(image))
    return _alembic_plan(image, database, known, whole, heads)


def _why_unknown(image: Image) -> str:
    """Say what cannot be told of a tool other than Alembic."""
    command = " ".join(image.settings["migrate_command"])
    if image.settings["migrate_pending_command"]:
        return f"whether `{command}` has anything to do: app_release_migrate_pending_command is run only by a deploy"
    advice = (
        ". If this script calls Alembic, set app_release_migrate_command: [alembic, upgrade, head], and what else it does as "
        "app_release_migrate_before_command and app_release_migrate_after_command"
    )
    return (
        f"what `{command}` (app_release_migrate_command) would do: it runs at each deploy, after a backup, and rollbacks across a change "
        f"of the schema are refused{advice if schema.is_script(image.settings['migrate_command']) else ''}"
    )


def _alembic_plan(image: Image, database: Database, known: Mapping[str, Migration], whole: Migration, on_record: Sequence[str]) -> Plan:
    table = image.settings["migrate_version_table"]
    state = database.look(table)
    current, fresh = list(state.revision), state.tables == 0
    if on_record and sorted(on_record) == sorted(current):
        return Plan(ALEMBIC, list(on_record), current, fresh)
    answer = alembic.ask(image, current)
    if answer.history is None:
        _check_untouched(database, table, current)
        return Plan(ALEMBIC, [], current, fresh, [whole], f"which migrations {image.title} has: {_why(answer)}")
    heads = list(answer.history.heads)
    problem = answer.history.conflict(current, image.settings["migrate_command"][-1])
    if problem is not None:
        ahead = distance.distance(known, heads, current)
        if len(heads) == 1 and ahead.harmless:
            return Plan(ALEMBIC, heads, current, fresh)  # an earlier image: nothing that it needs was taken away since
        _check_table(image, answer, state)
        raise _conflict(image, database, current, problem, distance.gate_lines(ahead.crossed))
    pending = _pending(answer.history, answer, current)
    if pending:
        _check_table(image, answer, state)
        _check_untouched(database, table, current)
    unknown = f"the SQL of {', '.join(migration.revision for migration in pending)}: {_why(answer)}" if pending and answer.problem else ""
    return Plan(ALEMBIC, heads, current, fresh, pending, unknown)


def _pending(history: History, answer: Answer, current: List[str]) -> List[Migration]:
    return [replace(migration, sql=answer.sql.get(migration.revision)) for migration in history.pending(current)]


def _why(answer: Answer) -> str:
    return f"asked {alembic.WHERE}, it answered: {answer.problem}"


def _check_table(image: Image, answer: Answer, state: State) -> None:
    """Raise CONFIG when migrations record their revision where nobody would look for it."""
    wanted = image.settings["migrate_version_table"]
    if answer.version_table and schema.is_other_table(answer.version_table, wanted, bool(state.revision)):
        raise ReleaseError(
            "CONFIG",
            f"{image.title} keeps the database's revision in the table {answer.version_table}, as its env.py says; "
            f"app_release_migrate_version_table is {wanted}",
            f"set app_release_migrate_version_table: {answer.version_table}",
        )


def _check_untouched(database: Database, table: str, before: List[str]) -> None:
    """Raise REVISION_CONFLICT when the database moved meanwhile. The image cannot have done it; somebody else can."""
    now = list(database.look(table).revision)
    if now != before:
        raise ReleaseError(
            "REVISION_CONFLICT",
            f"the database {database.name} was at {described(before)} before it was planned and is at {described(now)} now: "
            "somebody else migrates it",
            "run this again, which plans anew",
        )


def _conflict(image: Image, database: Database, current: List[str], problem: str, crossed: List[str]) -> ReleaseError:
    return ReleaseError(
        "REVISION_CONFLICT",
        f"{image.title} does not fit the database {database.name}, which is at {described(current)}: {problem}",
        "merge the heads (alembic merge heads), or build the image from what has that revision, or roll back (playbooks/rollback.yml)",
        crossed,
    )


def _unknown() -> ReleaseError:
    return ReleaseError(
        "DB_UNKNOWN",
        "the app's database is not known: PostgreSQL does not run on this host, and app_database_url is not set",
        "set app_database_url in the vault and run playbooks/provision.yml; or deploy with app_release_migrate: false and migrate yourself",
    )
