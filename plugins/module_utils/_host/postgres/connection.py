# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a program of PostgreSQL is run at the app's database: in its container, or from one beside it when the database is elsewhere."""

from __future__ import annotations

import csv
import io
import time
from dataclasses import dataclass
from typing import List, Optional, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import CommandTimeout, Finished, run
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.postgres import ELSEWHERE, READER

QUESTION_SECONDS = 10.0
# A program that was left alone, because who asked was killed, ends by itself after this.
LONGEST_SECONDS = 6 * 3600
# Docker's exit code for a program that it could not start, and then its words are on standard output. Under load that passes:
# https://github.com/opencontainers/runc/issues/1884
NOT_STARTED = 126
START_TRIES = 3
START_PAUSE_SECONDS = 0.5
# All sessions of this collection are named so; those of migrations never are.
SESSION_NAME = "fairlead "
# Questions about the server itself are asked in this database, where neither the app nor its migrations can be.
DESK = "postgres"
# Whatever a database's owner has set for sessions in it: names mean PostgreSQL's own functions and operators, quotes are quotes.
ADMIN_OPTIONS = "-c search_path=pg_catalog -c standard_conforming_strings=on"
# Rows as CSV on standard output; the first error ends it.
PSQL = ("--no-psqlrc", "--quiet", "--csv", "--tuples-only", "--set=ON_ERROR_STOP=1")


@dataclass(frozen=True)
class Connection:
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

    def _ask(self, command: Sequence[str], seconds: float, stdin: str = "") -> str:
        """Return what a program of PostgreSQL prints.

        Raises:
            ReleaseError: DB_UNREACHABLE or DB_QUERY_FAILED.
        """
        try:
            done = run(command, seconds + 10, stdin=stdin)
            for dummy in range(START_TRIES - 1):
                if done.code != NOT_STARTED:
                    break
                time.sleep(START_PAUSE_SECONDS)
                done = run(command, seconds + 10, stdin=stdin)
        except CommandTimeout as error:
            raise self.unreachable(f"it did not answer within {seconds:g} s") from error
        if done.code:
            raise self._failed(done)
        return done.out

    def _failed(self, done: Finished) -> ReleaseError:
        # psql's own exit code for a lost connection; the rest is of Docker: no such container or image.
        words = (done.out if done.code == NOT_STARTED else done.err).strip().splitlines()[-5:]
        if done.code in (2, 124, 125, NOT_STARTED, 127, 137) or any("Error response from daemon" in word for word in words):
            return self.unreachable("; ".join(words) or f"exit code {done.code}")
        return ReleaseError("DB_QUERY_FAILED", f"{self.title} refused a question about {self.name}", "see the error output below", words)

    def unreachable(self, why: str) -> ReleaseError:
        return ReleaseError(
            "DB_UNREACHABLE",
            f"the database {self.name} at {self.title} does not answer: {why}",
            "check that it runs and can be reached from this host"
            if self.container is None
            else f"look at docker logs {self.title}, then: docker compose --project-name {self.app}-data start",
        )


def _quoted(value: str) -> str:
    """Return a value as connection strings want it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
