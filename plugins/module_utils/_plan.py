# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release's migrations would do to the database, found out without changing anything.  Private to this collection."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils import _docker, _schema
from ansible_collections.fairlead.fastapi.plugins.module_utils._command import CommandTimeout, Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._database import Database, described
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._schema import ALEMBIC, COMMAND, NONE, History, Migration

MIGRATE = "migrate"
# Without a network.
HISTORY = "history"
PLAN_SECONDS = 60.0
SHOWN_LINES = 15


@dataclass(frozen=True)
class Image:
    """A release's image with its configuration, short of being a release: enough to ask it about its migrations.

    Args:
        project: the Compose project's name.
        directory: the bundle.
        title: for messages.
        settings: of the release.
    """

    project: str
    directory: Path
    title: str
    settings: Dict[str, Any]

    def run(self, command: Sequence[str], seconds: float, merge: bool = False, service: str = MIGRATE) -> Finished:
        """Run a command as migrations are run: in a container of their own, with their configuration.

        Args:
            command: the words.
            seconds: how long it may take.
            merge: put standard error into its output.
            service: `MIGRATE`, or `HISTORY` for what needs no network.

        Raises:
            CommandTimeout: it did not end; its container is gone.
        """
        name = f"{self.project}-{service}"
        words = ("--profile", service, "run", "--rm", "--no-deps", "--no-TTY", "--name", name, service, *command)
        try:
            return _docker.compose(self.project, self.directory, *words, seconds=seconds, merge=merge)
        except CommandTimeout:
            # Ending the Compose client does not end the container.
            _docker.remove(name)
            raise

    @property
    def tool(self) -> str:
        return _schema.tool_of(self.settings)

    def history(self) -> History:
        """Ask Alembic which migrations the image has.

        Raises:
            ReleaseError: MIGRATION_FAILED with Alembic's words.
        """
        done = self._ask([*_schema.alembic_words(self.settings["migrate_command"]), "history"], HISTORY)
        if done.code:
            raise self._refused("list its migrations", done)
        return _schema.history_of(done.out)

    def sql(self, current: Sequence[str]) -> Dict[str, str]:
        """Ask Alembic for the SQL of what a database at `current` lacks, as far as that can be told without running it."""
        if len(current) > 1:
            return {}  # Alembic can print it from one revision only
        *words, target = self.settings["migrate_command"]
        found: Dict[str, str] = {}
        start: Optional[str] = current[0] if current else ""
        while start is not None:
            done = self._ask([*words, f"{start}:{target}" if start else target, "--sql"])
            sql, failed = _schema.sql_by_revision(done.out, whole=not done.code)
            found.update(sql)
            # From the one on whose SQL cannot be told; when that is where it began, the tool itself fails.
            start = failed if failed != start else None
        return found

    def listed(self) -> List[Migration]:
        """Return the pending migrations of a tool other than Alembic, of which only the names can be told.

        Raises:
            ReleaseError: MIGRATION_FAILED with its words.
        """
        command = self.settings["migrate_pending_command"]
        if not command:
            return [_named(" ".join(self.settings["migrate_command"]))]
        done = self._ask(command)
        if done.code:
            raise self._refused("tell what is pending", done)
        return [_named(line.strip()) for line in done.out.splitlines() if line.strip()]

    def _ask(self, command: Sequence[str], service: str = MIGRATE) -> Finished:
        try:
            return self.run(command, PLAN_SECONDS, service=service)
        except CommandTimeout as error:
            what = f"`{' '.join(command)}` of {self.title} did not end within {PLAN_SECONDS:g} s"
            raise ReleaseError("MIGRATION_TIMEOUT", what, "mend it", error.details) from error

    def _refused(self, doing: str, done: Finished) -> ReleaseError:
        words = [*done.out.splitlines(), *done.err.splitlines()]
        return ReleaseError("MIGRATION_FAILED", f"{self.title} could not {doing}", "mend what its words say", words[-SHOWN_LINES:])


def _named(name: str) -> Migration:
    return {"revision": name, "down": [], "title": "", "sql": None}


@dataclass(frozen=True)
class Plan:
    """What there is to migrate.

    Args:
        tool: ``alembic``, ``command`` or ``none``.
        heads: what the image was made for; of a tool other than Alembic what the database is at when nothing is pending.
        revision: what the database is at.
        fresh: the database has no tables, so that nothing can be lost.
        pending: the migrations to be run, in order.
    """

    tool: str = NONE
    heads: List[str] = field(default_factory=list)
    revision: List[str] = field(default_factory=list)
    fresh: bool = False
    pending: List[Migration] = field(default_factory=list)

    def as_dict(self) -> Dict[str, Any]:
        """Return it as the stages hand it on."""
        return asdict(self)


def make_plan(image: Image, database: Optional[Database], known: Mapping[str, Migration]) -> Plan:
    """Compare what an image was made for with the database.

    Args:
        image: the release's to be.
        database: the app's; None when nothing is known of it.
        known: the migrations on record.

    Raises:
        ReleaseError: REVISION_CONFLICT, DB_UNREACHABLE, DB_UNKNOWN, MIGRATION_FAILED.
    """
    tool = image.tool
    if tool == NONE:
        return Plan()
    if database is None:
        if tool == ALEMBIC or image.settings["migrate_backup"]:
            raise _unknown()
        return Plan(tool, pending=image.listed())
    if tool == COMMAND:
        state = database.look(image.settings["migrate_version_table"])
        revision = [_schema.CHECKSUM + database.schema_checksum()]
        return Plan(tool, revision, revision, state.tables == 0, image.listed())
    return _alembic_plan(image, database, known)


def _alembic_plan(image: Image, database: Database, known: Mapping[str, Migration]) -> Plan:
    with ThreadPoolExecutor(1) as beside:  # the container takes most of a second, and the database has time meanwhile
        asked = beside.submit(database.look, image.settings["migrate_version_table"])
        history = image.history()
        state = asked.result()
    current = list(state.revision)
    heads, fresh = list(history.heads), state.tables == 0
    problem = history.conflict(current, image.settings["migrate_command"][-1])
    if problem is not None:
        ahead = _schema.distance(known, heads, current)
        if len(heads) == 1 and ahead.harmless:
            return Plan(ALEMBIC, heads, current, fresh)  # an earlier image: nothing that it needs was taken away since
        raise ReleaseError(
            "REVISION_CONFLICT",
            f"{image.title} does not fit the database {database.name}, which is at {described(current)}: {problem}",
            "merge the heads (alembic merge heads), or build the image from what has that revision, or roll back (playbooks/rollback.yml)",
            _schema.gate_lines(ahead.crossed),
        )
    pending = history.pending(current)
    sql = image.sql(current) if pending else {}
    return Plan(ALEMBIC, heads, current, fresh, [{**migration, "sql": sql.get(migration["revision"])} for migration in pending])


def _unknown() -> ReleaseError:
    return ReleaseError(
        "DB_UNKNOWN",
        "nothing is known of the app's database: PostgreSQL does not run on this host, and app_database_url is not set",
        "set app_database_url in the vault and run playbooks/provision.yml; or deploy with app_release_migrate: false and migrate yourself",
    )
