"""Stand-ins for an app's database, and for what an image tells of its migrations."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.schema import history_of
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import State
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import Finding, Migration

BACKUP = "20261122T190500Z"
FIRST = "0001 -> 0002 (head), Add notes\n<base> -> 0001, Begin\n"
# What images know that are newer than the database.
NEWER = "0002 -> 0003 (head), Add a color\n0001 -> 0002, Add notes\n<base> -> 0001, Begin\n"


def migration(revision: str, *down: str, impact: str = "expand", findings: Sequence[Finding] = ()) -> Migration:
    """Return a migration that was judged."""
    return Migration(revision, down, f"Do {revision}", impact=impact, findings=tuple(findings))


def told(history: str) -> str:
    """Return how `alembic_program` tells what `alembic history` prints in words of its own."""
    found = history_of(history)
    listed = [{"revision": name, "down": list(down), "title": found.titles[name]} for name, down in found.parents.items()]
    return json.dumps({"history": listed}) + "\n"


def told_sql(sql: str, failed: str = "", table: str = "alembic_version", schema: str | None = None) -> str:
    """Return how `alembic_program` tells SQL, and what it failed of."""
    return json.dumps({"sql": sql, "failed": failed, "version_table": table, "version_schema": schema}) + "\n"


class FakeDatabase:
    """Is at `revision`, whatever asks; notes what ends sessions; fails where `failing` says so.

    Args:
        note: notes what is done, and to what.
    """

    name = "shop"
    title = "shop-data-postgres-1"
    user = "postgres"
    migrator = "shop_migrator"
    container = "container-postgres"

    def __init__(self, note: Callable[[str, str], None]) -> None:
        self.note = note
        self.known = True
        self.revision = ["0002"]
        self.tables = 3
        self.invalid: list[str] = []
        self.checksum = "abc"
        self.transactions: list[str] = []
        self.sessions: list[str] = []
        self.failing: dict[str, ReleaseError] = {}
        self.locked = False
        # What the server keeps of the passwords of its roles.
        self.verifiers: list[str] = []
        # Version tables that were made read-only for the app, with the revision that was in them then.
        self.protected: list[tuple[str, tuple[str, ...]]] = []

    def _fail(self, what: str) -> None:
        if what in self.failing:
            raise self.failing[what]

    def look(self, version_table: str) -> State:
        self._fail("look")
        return State(tuple(self.revision), self.tables, 1_000_000, tuple(self.invalid))

    def query(self, sql: str, admin: bool) -> list[list[str]]:
        assert "FROM pg_authid" in sql and admin
        self._fail("query")
        return [[verifier] for verifier in self.verifiers]

    def protect(self, version_table: str) -> None:
        self.protected.append((version_table, tuple(self.revision)))

    def schema_checksum(self) -> str:
        return self.checksum

    def open_transactions(self) -> list[str]:
        return self.transactions

    def end_migrations(self) -> list[str]:
        self.note("end sessions of", self.migrator)
        return self.sessions

    @contextmanager
    def sole_migrator(self) -> Iterator[None]:
        self._fail("lock")
        self.locked = True
        try:
            yield
        finally:
            self.locked = False


class FakeAlembic:
    """Answers for all images alike, in the words of Alembic.

    Args:
        database: what its upgrades and downgrades change.
    """

    def __init__(self, database: FakeDatabase) -> None:
        self.database = database
        self.history = Finished(0, FIRST, "")
        # By range of revisions.
        self.sql: dict[str, Finished] = {}

    def plans(self, command: Sequence[str]) -> Finished | None:
        """Answer a question about migrations, which changes nothing; None for what is no question."""
        if "-c" in command:
            return self._answers(json.loads(command[-1]))
        return self.history if command[-1] == "history" else None

    def _answers(self, question: dict[str, Any]) -> Finished:
        if self.history.code:
            return self.history
        sql = self.sql.get(":".join([*question["current"], question["target"]]), Finished(0, "", ""))
        return Finished(0, told(self.history.out) + told_sql(sql.out, sql.err), "")

    def runs(self, command: Sequence[str]) -> None:
        """Have the database be where a command brings it."""
        down = "downgrade" in command
        self.database.revision = [command[-1]] if down else list(history_of(self.history.out).heads)
