# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's PostgreSQL, asked by its own programs where they fit its version."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import select
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Iterator, List, Optional, Sequence, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import CommandTimeout, Finished, environment, run
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import version_table as _version_table
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.sql import literal
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.postgres import ELSEWHERE, READER

SERVICE = "postgres"
MIGRATOR_LABEL = "fairlead.migrator"
QUESTION_SECONDS = 10.0
SCHEMA_SECONDS = 60.0
# A program that was left alone, because who asked was killed, ends by itself after this.
LONGEST_SECONDS = 6 * 3600
# Time for a session to be gone after it was ended.
SESSION_SECONDS = 5.0
POLL_SECONDS = 0.1
# Docker's exit code for a program that it could not start, and then its words are on standard output. Under load that passes:
# https://github.com/opencontainers/runc/issues/1884
NOT_STARTED = 126
START_TRIES = 3
START_PAUSE_SECONDS = 0.5
# All sessions of this collection are named so; those of migrations never are.
SESSION_NAME = "fairlead "
# Locks of this kind belong to one database; any number that others do not use will do.
MIGRATION_LOCK = int.from_bytes(hashlib.sha256(b"fairlead.fastapi migration").digest()[:8], "big", signed=True)
# Questions about the server itself are asked in this database, where neither the app nor its migrations can be.
DESK = "postgres"
# Whatever a database's owner has set for sessions in it: names mean PostgreSQL's own functions and operators, quotes are quotes.
ADMIN_OPTIONS = "-c search_path=pg_catalog -c standard_conforming_strings=on"
# Rows as CSV on standard output; the first error ends it.
PSQL = ("--no-psqlrc", "--quiet", "--csv", "--tuples-only", "--set=ON_ERROR_STOP=1")
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
class Database:
    """How the app's database is reached from this host.

    Args:
        app: the app's name.
        name: of the database.
        user: the superuser of the PostgreSQL that runs here; the schema's owner elsewhere.
        migrator: role that migrations log in as; None where they have none of their own.
        title: where it is, for messages.
        container: of the PostgreSQL that runs here; None when it is elsewhere.
        image: to take the client programs from when it is elsewhere.
    """

    app: str
    name: str
    user: str
    migrator: Optional[str]
    title: str
    container: Optional[str] = None
    image: Optional[str] = None

    @property
    def shown(self) -> str:
        """Which database it is, and where, for messages."""
        return f"{self.name} at {self.title}"

    @property
    def owner(self) -> str:
        """The role that owns the schema. Whatever the app or a migration made is read and restored as this role, never as a superuser."""
        return self.user if self.container is None or self.migrator is None else self.migrator

    def command(
        self,
        program: str,
        *arguments: str,
        database: Optional[str] = None,
        purpose: str = "question",
        seconds: float = LONGEST_SECONDS,
        admin: bool = False,
        whole: bool = False,
    ) -> List[str]:
        """Return the argument list that runs a program of PostgreSQL; standard input and output are the program's own.

        Args:
            program: ``psql``, ``pg_dump``, ``pg_restore`` …
            arguments: its options, without any about the connection.
            database: another one than the app's.
            purpose: what its session is called, after `SESSION_NAME`.
            seconds: after which it is ended, also when nobody waits for it any more.
            admin: as the superuser where the server runs here; then in `DESK`, unless another database is named.
            whole: as the role that sees all rows of the owner's tables, where the server runs here.
        """
        name = database or (DESK if admin and self.container else self.name)
        named = [] if "--list" in arguments else [f"--dbname=dbname={_quoted(name)}"]
        words = ["timeout", "-k", "5", f"{seconds:g}", program, *named, *arguments]
        session = ["--env", f"PGAPPNAME={SESSION_NAME}{purpose}"]
        if self.container is not None:
            user = self.user if admin else READER if whole else self.owner
            role = ["--env", f"PGUSER={user}", *(["--env", f"PGOPTIONS={ADMIN_OPTIONS}"] if admin else [])]
            return ["docker", "exec", "--interactive", *role, *session, self.container, *words]
        files = f"type=bind,source={AppPaths(self.app).database},target={ELSEWHERE},readonly"
        confined = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=0:0", "--memory=512m")
        service = ("--env", f"PGSERVICEFILE={ELSEWHERE}/service.conf", "--env", "PGSERVICE=fairlead")
        return [
            *("docker", "run", "--rm", "--interactive", "--network", self.app, *confined, "--mount", files, *service, *session),
            *("--entrypoint", words[0], str(self.image), *words[1:]),
        ]

    def query(self, sql: str, seconds: float = QUESTION_SECONDS, database: Optional[str] = None, admin: bool = False) -> List[List[str]]:
        """Run SQL, or a script for psql, and return the rows of its answers; `admin` as in `command`.

        Raises:
            ReleaseError: DB_UNREACHABLE, or DB_QUERY_FAILED with the server's words.
        """
        answer = self._ask(self.command("psql", *PSQL, database=database, seconds=seconds, admin=admin), seconds, sql)
        return list(csv.reader(io.StringIO(answer)))

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
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment()
        ) as session:
            assert session.stdin is not None and session.stdout is not None
            try:
                session.stdin.write(f"SELECT pg_try_advisory_lock({MIGRATION_LOCK});\n".encode())
                session.stdin.flush()
                ready, _, _ = select.select([session.stdout], [], [], QUESTION_SECONDS)
                answer = session.stdout.readline().decode().strip() if ready else ""
                if not answer:
                    raise self._unreachable("it did not answer when the lock for migrations was asked for")
                if answer not in ("t", "f"):
                    raise self._unreachable(answer)
                if answer == "f":
                    raise ReleaseError(
                        "MIGRATION_BUSY",
                        f"another runner is migrating {self.name} at {self.title}",
                        "wait for it to end, or end its session, then deploy again",
                        [": ".join(filter(None, row)) for row in self.query(_LOCK_HOLDER.format(lock=MIGRATION_LOCK), admin=True)],
                    )
                yield
            finally:
                session.stdin.close()

    def is_migrating(self) -> bool:
        """Tell whether somebody holds the lock for migrations.

        Raises:
            ReleaseError: DB_UNREACHABLE or DB_QUERY_FAILED.
        """
        return self.query(_MIGRATING.format(lock=MIGRATION_LOCK), admin=True)[0][0] != "0"

    def _ask(self, command: Sequence[str], seconds: float, stdin: str = "") -> str:
        """Return what a program of PostgreSQL prints.

        Raises:
            ReleaseError: DB_UNREACHABLE or DB_QUERY_FAILED.
        """
        try:
            done = run(command, seconds + 10, stdin=stdin)
            for _ in range(START_TRIES - 1):
                if done.code != NOT_STARTED:
                    break
                time.sleep(START_PAUSE_SECONDS)
                done = run(command, seconds + 10, stdin=stdin)
        except CommandTimeout as error:
            raise self._unreachable(f"it did not answer within {seconds:g} s") from error
        if done.code:
            raise self._failed(done)
        return done.out

    def _failed(self, done: Finished) -> ReleaseError:
        # psql's own exit code for a lost connection; the rest is of Docker: no such container or image.
        words = (done.out if done.code == NOT_STARTED else done.err).strip().splitlines()[-5:]
        if done.code in (2, 124, 125, NOT_STARTED, 127, 137) or any("Error response from daemon" in word for word in words):
            return self._unreachable("; ".join(words) or f"exit code {done.code}")
        return ReleaseError("DB_QUERY_FAILED", f"{self.title} refused a question about {self.name}", "as its words say", words)

    def _unreachable(self, why: str) -> ReleaseError:
        return ReleaseError(
            "DB_UNREACHABLE",
            f"the database {self.name} at {self.title} cannot be asked: {why}",
            "see that it runs and can be reached from this host"
            if self.container is None
            else f"look at docker logs {self.title}, then: docker compose --project-name {self.app}-data start",
        )


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


def _quoted(value: str) -> str:
    """Return a value as connection strings want it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def described(revision: Sequence[str]) -> str:
    """Return a schema's revision for people."""
    return ", ".join(revision) or "no revision"
