# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a database holds: rows and a checksum of each table, all of one moment."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import select
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import IO, Dict, Iterator, List, Mapping, Optional, Tuple, cast

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest, Table
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import environment
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import version_table as _version_table
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.connection import PSQL
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database, described
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

BEGIN_SECONDS = 60.0
# A session that was told to end, or whose last words are waited for.
END_SECONDS = 5.0
# Reading all rows of a large database, beside the load of the app.
COUNT_SECONDS = 3 * 3600.0
READ_BYTES = 65536
SHOWN = 10
_END = "fairlead-end-of-answer"

# What a role has set for its sessions must not end this one; what a value looks like as text must not depend on where it is asked.
_BEGIN = """
SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET lock_timeout = '60s';
SET DateStyle = 'ISO, MDY';
SET IntervalStyle = 'postgres';
SET TimeZone = 'UTC';
SET extra_float_digits = 1;
SET bytea_output = 'hex';
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT pg_export_snapshot();
"""
_LOOK = """
SELECT 'size', pg_database_size(current_database());
SELECT 'server', current_setting('server_version');
"""
# The sum does not depend on the order of rows, and tells a row that is there twice from one that is not there.
# record_out is what a cast to text comes to, unless the table's owner made a cast of its own.
# Sequences are left out: they do not belong to a moment. What an extension brings along comes with the extension.
_COUNT = """
SET search_path = pg_catalog;
SELECT format('SELECT ''table'', %L, count(*), '
              'coalesce(sum((''x'' || substr(md5(textin(record_out(row__))), 1, 16))::bit(64)::bigint::numeric), 0) '
              'FROM ONLY %I.%I AS row__', format('%I.%I', nspname, relname), nspname, relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind = 'r' AND relpersistence <> 't' AND nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY nspname, relname \\gexec
"""


@dataclass(frozen=True)
class Look:
    """What is known of a database at once.

    Args:
        revision: of its schema; empty before the first migration.
        size: in bytes.
        server: the server's version.
    """

    revision: Tuple[str, ...]
    size: int
    server: str


class Moment:
    """A session that sees the database as it is at one moment, for as long as it is open.

    Args:
        session: a psql that waits for input.
        errors: what it writes to standard error.
        title: of the database, for messages.
    """

    def __init__(self, session: subprocess.Popen[bytes], errors: IO[bytes], title: str) -> None:
        self._session = session
        self._errors = errors
        self._title = title
        # By this other sessions see the same moment.
        self.snapshot = self._ask(_BEGIN, BEGIN_SECONDS)[0][0]

    def look(self, version_table: str) -> Look:
        """Ask for the revision of the schema, the size, and the server's version.

        Raises:
            ReleaseError: VERSION_TABLE or DB_QUERY_FAILED.
        """
        rows = self._ask(_version_table.question(version_table) + _LOOK, BEGIN_SECONDS)
        found = {kind: [row[1] for row in rows if row[0] == kind] for kind in ("size", "server")}
        return Look(_version_table.revision(rows), int(found["size"][0]), found["server"][0])

    def tables(self) -> Dict[str, Table]:
        """Count the rows of each table, and make a checksum of them.

        Raises:
            ReleaseError: DB_QUERY_FAILED.
        """
        return {row[1]: Table(int(row[2]), row[3]) for row in self._ask(_COUNT, COUNT_SECONDS)}

    def _ask(self, script: str, seconds: float) -> List[List[str]]:
        question, said = cast(IO[bytes], self._session.stdin), cast(IO[bytes], self._session.stdout)
        with contextlib.suppress(BrokenPipeError):  # it has ended: why is read below
            question.write(f"{script}\n\\echo {_END}\n".encode())
            question.flush()
        answer, deadline = b"", time.monotonic() + seconds
        while not answer.endswith(f"{_END}\n".encode()):
            ready, dummy, dummy = select.select([said], [], [], max(deadline - time.monotonic(), 0))
            read = os.read(said.fileno(), READ_BYTES) if ready else b""
            if not read:
                raise self._failed("it ended" if ready else f"it did not answer within {seconds:g} s", answer)
            answer += read
        return list(csv.reader(io.StringIO(answer.decode()[: -len(_END) - 1])))

    def _failed(self, how: str, answer: bytes) -> ReleaseError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._session.wait(timeout=END_SECONDS)
        self._errors.seek(0)
        # Why Docker could not start psql is on standard output.
        words = (self._errors.read() or answer).decode(errors="replace").strip().splitlines()[-5:]
        return ReleaseError(
            "DB_QUERY_FAILED", f"the session at {self._title} that reads the tables failed: {how}", "see the error output below", words
        )


@contextlib.contextmanager
def moment(database: Database, name: Optional[str] = None) -> Iterator[Moment]:
    """Open a session that sees one moment of a database.

    Args:
        database: where to ask.
        name: of another database there than the app's.

    Raises:
        ReleaseError: DB_QUERY_FAILED with psql's words.
    """
    command = database.command("psql", *PSQL, database=name, purpose="census", whole=True)
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(tempfile.TemporaryFile())
        session = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment())  # pylint: disable=ansible-bad-function
        )
        try:
            yield Moment(session, errors, f"{name or database.name} at {database.title}")
        finally:
            with contextlib.suppress(BrokenPipeError):
                cast(IO[bytes], session.stdin).close()
            try:
                session.wait(timeout=END_SECONDS)
            except subprocess.TimeoutExpired:
                session.kill()  # the server ends its session when it sees that nobody listens any more


def differences(manifest: Manifest, revision: Tuple[str, ...], tables: Mapping[str, Table]) -> List[str]:
    """Say in what a database differs from what a manifest has of it; nothing when it holds the same.

    Args:
        manifest: of a backup.
        revision: what was found.
        tables: rows and checksum by table, as found.
    """
    found = []
    if list(revision) != manifest.revision:
        found.append(f"the revision is {described(revision)} instead of {described(manifest.revision)}")
    for name, wanted in manifest.tables.items():
        here = tables.get(name)
        if here is None:
            found.append(f"{name} is missing")
        elif here.rows != wanted.rows:
            found.append(f"{name} has {here.rows} rows instead of {wanted.rows}")
        elif here.checksum != wanted.checksum:
            found.append(f"{name} has {here.rows} rows as it should, with other content")
    found += [f"{name} should not be there" for name in tables if name not in manifest.tables]
    return found[:SHOWN] + ([f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else [])
