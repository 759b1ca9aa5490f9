# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's PostgreSQL, asked by its own programs where they fit its version."""

from __future__ import annotations

import hashlib
import json
import select
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Iterator, List, Optional, Sequence, Tuple, cast

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import environment
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import version_table as _version_table
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.connection import PSQL, QUESTION_SECONDS, Connection
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.sql import literal
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

SERVICE = "postgres"
MIGRATOR_LABEL = "fairlead.migrator"
SCHEMA_SECONDS = 60.0
# Time for a session to be gone after it was ended.
SESSION_SECONDS = 5.0
POLL_SECONDS = 0.1
# Locks of this kind belong to one database; any number that others do not use will do.
MIGRATION_LOCK = int.from_bytes(hashlib.sha256(b"fairlead.fastapi migration").digest()[:8], "big", signed=True)
_OURS = "nspname NOT IN ('pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg\\_%'"

_LOOK = """
SELECT 'tables', count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p') AND {ours};
SELECT 'size', pg_database_size(current_database());
SELECT 'invalid', format('%I.%I', nspname, relname)
FROM pg_index i JOIN pg_class c ON c.oid = indexrelid JOIN pg_namespace n ON n.oid = relnamespace
WHERE NOT indisvalid AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = indexrelid) ORDER BY 2;
"""
# Who waits, or makes others wait: the oldest first, and whom each waits for.
_TRANSACTIONS = """
SELECT format('pid %s (%s, %s), %s, open for %s s%s: %s', pid, usename, coalesce(nullif(application_name, ''), 'no name'), state,
              round(extract(epoch FROM clock_timestamp() - xact_start)),
              CASE WHEN cardinality(pg_blocking_pids(pid)) > 0
                   THEN ', waits for pid ' || array_to_string(pg_blocking_pids(pid), ', ') ELSE '' END,
              left(regexp_replace(query, '\\s+', ' ', 'g'), 120))
FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND datname = {name}
  AND application_name NOT LIKE 'fairlead %'
ORDER BY xact_start LIMIT 5;
"""
_MIGRATIONS = "FROM pg_stat_activity WHERE datname = {name} AND usename = {role} AND application_name NOT LIKE 'fairlead %'"
_LOCKS = """
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32 | objid::bigint) = {lock}::bigint
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_LOCK_HOLDER = (
    """
SELECT format('pid %s (%s, %s)%s', a.pid, usename, coalesce(nullif(application_name, ''), 'no name'),
              to_char(backend_start, '" since "YYYY-MM-DD HH24:MI:SS TZ')),
       CASE WHEN usename <> current_user
            THEN format('a role that migrates nothing; to end its session: SELECT pg_terminate_backend(%s);', a.pid) END
"""
    + _LOCKS
)
# What another role holds is no migration.
_MIGRATING = "SELECT count(*)" + _LOCKS + " AND usename = current_user"


@dataclass(frozen=True)
class State:
    """What a database is like now.

    Args:
        revision: of its schema, as Alembic recorded it; empty before the first migration.
        tables: how many there are.
        size: in bytes.
        invalid: indexes that a failed `CREATE INDEX CONCURRENTLY` left.
    """

    revision: Tuple[str, ...]
    tables: int
    size: int
    invalid: Tuple[str, ...]


@dataclass(frozen=True)
class Database(Connection):
    """The app's database: what it is like, and who migrates it."""

    def look(self, version_table: str = _version_table.DEFAULT) -> State:
        """Ask what the database is like now.

        Raises:
            ReleaseError: VERSION_TABLE, DB_UNREACHABLE or DB_QUERY_FAILED.
        """
        rows = self.query(_version_table.question(version_table) + _LOOK.format(ours=_OURS))
        found = {kind: [row[1] for row in rows if row[0] == kind] for kind in ("tables", "size", "invalid")}
        return State(_version_table.revision(rows), int(found["tables"][0]), int(found["size"][0]), tuple(found["invalid"]))

    def protect(self, version_table: str) -> None:
        """Let nobody but its owner write the table that the schema's revision is in; who could before can still read it.

        Raises:
            ReleaseError: DB_UNREACHABLE or DB_QUERY_FAILED.
        """
        self.query(_version_table.protection(version_table))

    def schema_checksum(self) -> str:
        """Return what changes with each change of the schema, whatever tool made it.

        Raises:
            ReleaseError: DB_UNREACHABLE or DB_QUERY_FAILED.
        """
        arguments = ("--schema-only", "--no-owner", "--no-privileges", "--no-comments")
        schema = self._ask(self.command("pg_dump", *arguments, purpose="schema", seconds=SCHEMA_SECONDS), SCHEMA_SECONDS)
        # Comments tell versions, \restrict a random key.
        lines = [line for line in schema.splitlines() if line and not line.startswith(("--", "\\restrict", "\\unrestrict"))]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]

    def open_transactions(self) -> List[str]:
        """Return one line for each of the oldest open transactions; empty when the database does not answer."""
        try:
            return [row[0] for row in self.query(_TRANSACTIONS.format(name=literal(self.name)), admin=True)]
        except ReleaseError:
            return []

    def end_migrations(self) -> List[str]:
        """End all sessions of migrations, and return one line for each that is still there after a while.

        Raises:
            ReleaseError: DB_UNREACHABLE or DB_QUERY_FAILED.
        """
        if self.migrator is None:
            return []
        sessions = _MIGRATIONS.format(role=literal(self.migrator), name=literal(self.name))
        deadline = time.monotonic() + SESSION_SECONDS
        while True:
            self.query(f"SELECT pg_terminate_backend(pid) {sessions};", admin=True)
            left = [row[0] for row in self.query(f"SELECT format('pid %s: %s', pid, left(query, 120)) {sessions};", admin=True)]
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(POLL_SECONDS)

    @contextmanager
    def sole_migrator(self) -> Iterator[None]:
        """Hold the lock that only one runner of migrations can have, on whatever host it is.

        The lock belongs to a session, which ends with this process. Of a server that runs here it is in `DESK`, where the app's role
        cannot take it; elsewhere there may be no other database than the app's.

        Raises:
            ReleaseError: MIGRATION_BUSY, naming the holder; DB_UNREACHABLE.
        """
        command = self.command("psql", *PSQL, purpose="migration lock", admin=True)
        with subprocess.Popen(  # pylint: disable=ansible-bad-function
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment()
        ) as session:
            question, said = cast(IO[bytes], session.stdin), cast(IO[bytes], session.stdout)
            try:
                question.write(f"SELECT pg_try_advisory_lock({MIGRATION_LOCK});\n".encode())
                question.flush()
                ready, dummy, dummy = select.select([said], [], [], QUESTION_SECONDS)
                answer = said.readline().decode().strip() if ready else ""
                if not answer:
                    raise self.unreachable("it did not answer when the lock for migrations was asked for")
                if answer not in ("t", "f"):
                    raise self.unreachable(answer)
                if answer == "f":
                    raise ReleaseError(
                        "MIGRATION_BUSY",
                        f"another runner is migrating {self.name} at {self.title}",
                        "wait for it to end, or end its session, then deploy again",
                        [": ".join(filter(None, row)) for row in self.query(_LOCK_HOLDER.format(lock=MIGRATION_LOCK), admin=True)],
                    )
                yield
            finally:
                question.close()

    def is_migrating(self) -> bool:
        """Tell whether somebody holds the lock for migrations.

        Raises:
            ReleaseError: DB_UNREACHABLE or DB_QUERY_FAILED.
        """
        return self.query(_MIGRATING.format(lock=MIGRATION_LOCK), admin=True)[0][0] != "0"


def find_database(paths: AppPaths) -> Optional[Database]:
    """Return the app's database, or None when Fairlead knows of none: neither one that runs here nor an address."""
    try:
        elsewhere = json.loads((paths.database / "database.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _bundled(paths)
    title = f"{elsewhere['host']}:{elsewhere['port']}"
    # Sessions of a role that the app logs in as too are not a migration's alone: nobody ends them.
    migrator = elsewhere["user"] if elsewhere["apart"] else None
    return Database(paths.app, elsewhere["name"], elsewhere["user"], migrator, title, image=elsewhere["image"])


def _bundled(paths: AppPaths) -> Optional[Database]:
    for container in docker.project_containers(f"{paths.app}-data"):
        labels, config = container["Config"]["Labels"], container["Config"]
        if labels.get("com.docker.compose.service") == SERVICE:
            environment = dict(line.partition("=")[::2] for line in config["Env"])
            name, user = environment["POSTGRES_DB"], environment["POSTGRES_USER"]
            title = container["Name"].lstrip("/")
            if MIGRATOR_LABEL not in labels:
                # As the superuser, which would be the only role left, nothing of the app's is read.
                what = f"{title} does not say which role owns the schema (label {MIGRATOR_LABEL})"
                raise ReleaseError("DB_UNREACHABLE", what, "run playbooks/provision.yml")
            return Database(paths.app, name, user, labels[MIGRATOR_LABEL], title, container=container["Id"])
    return None


def described(revision: Sequence[str]) -> str:
    """Return a schema's revision for people."""
    return ", ".join(revision) or "no revision"
