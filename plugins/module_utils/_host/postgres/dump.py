# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A dump read into an empty database by the role that owns the schema, with no right beyond that role's.

Restoring runs what is in the dump: CHECKs, generated columns, expressions of indexes. So it never runs as a superuser. What only a
superuser may make is left out, and told.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import BinaryIO, List, Sequence, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import environment
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

RESTORE_SECONDS = 6 * 3600.0
ANALYZE_SECONDS = 3600.0
LEND_SECONDS = 120.0
POST_DATA = "post-data"
SHOWN_LINES = 10
SHOWN_CHARACTERS = 160
# What holds no data of the app's, and what a role without special rights cannot make. An extension that something needs is missed there.
_NEEDLESS = (
    *("CREATE EXTENSION ", "CREATE EVENT TRIGGER ", "ALTER EVENT TRIGGER ", "ALTER DEFAULT PRIVILEGES "),
    *("CREATE PUBLICATION ", "ALTER PUBLICATION ", "CREATE SUBSCRIPTION ", "ALTER SUBSCRIPTION ", "COMMENT ON "),
)
# The role owns every table that it has just made, so this is one of an extension, which fills it itself.
_OF_AN_EXTENSION = re.compile(r"permission denied for (table|sequence) ")
_DATA = ("COPY ", "SELECT pg_catalog.setval(")
_THERE = re.compile(r" already exists| is already (a partition|an identity column)|multiple primary keys")
_ERROR = re.compile(r"^pg_restore: error: (.*?)(?=^pg_restore: |\Z)", re.MULTILINE | re.DOTALL)
_IGNORED = re.compile(r"^pg_restore: warning: errors ignored on restore: (\d+)$", re.MULTILINE)
# A dump is read without any search_path, and a function that was written for one would not find its tables or other functions.
# So each function without a search_path of its own borrows that of the role's sessions until all is there.
_BORROWERS = """
SELECT p.oid::pg_catalog.regprocedure FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE p.prokind IN ('f', 'p') AND l.lanname NOT IN ('c', 'internal') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_catalog.unnest(p.proconfig) c WHERE c LIKE 'search_path=%')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                  AND d.objid = p.oid AND d.deptype = 'e');
"""


def restore_dump(database: Database, name: str, dump: Path) -> List[str]:
    """Restore a dump into an empty database, have the planner know its tables, and return what was left out.

    Raises:
        ReleaseError: RESTORE_FAILED with pg_restore's words; DB_QUERY_FAILED.
    """
    with dump.open("rb") as content:
        left_out, wrong = _read(database, name, content, "pre-data")
        borrowers = _lend(database, name)
        if wrong:
            # Functions are there now and find what they need, and with them what could not be made before.
            left_out, wrong = _read(database, name, content, "pre-data", again=True)
            borrowers += _lend(database, name)
        for section in ("data", POST_DATA):
            if wrong:
                raise failed("pg_restore failed", wrong[:SHOWN_LINES])
            more, wrong = _read(database, name, content, section)
            left_out = left_out + more
    if wrong:
        raise failed("pg_restore failed", wrong[:SHOWN_LINES])
    _alter(database, name, borrowers, "RESET search_path")
    database.query("SET statement_timeout = 0; ANALYZE;", ANALYZE_SECONDS, name)
    return left_out


def _read(database: Database, name: str, content: BinaryIO, section: str, again: bool = False) -> Tuple[List[str], List[str]]:
    """Restore one section of a dump; return what was left out and what went wrong."""
    # A materialized view is filled by its owner, who sees as many rows of a table with FORCE ROW LEVEL SECURITY as in the live database.
    words = (f"--section={section}", "--no-owner", *(["--enable-row-security"] if section == POST_DATA else []))
    command = database.command("pg_restore", *words, database=name, purpose="restore", seconds=RESTORE_SECONDS)
    content.seek(0)
    with tempfile.TemporaryFile() as said:
        try:
            code = subprocess.run(  # pylint: disable=ansible-bad-function
                command, stdin=content, stdout=said, stderr=subprocess.STDOUT, timeout=RESTORE_SECONDS + 10, check=False, env=environment()
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise failed(f"pg_restore did not end within {RESTORE_SECONDS:g} s", []) from error
        said.seek(0)
        return judged(code, said.read().decode(errors="replace"), again)


def judged(code: int, said: str, again: bool = False) -> Tuple[List[str], List[str]]:
    """Read what pg_restore said; return what was left out and can be done without, and what went wrong.

    Args:
        code: its exit code.
        said: its words.
        again: what could be made was made by an earlier run, so that it is there already.
    """
    if not code:
        return [], []
    left_out: List[str] = []
    wrong: List[str] = []
    problems = _ERROR.findall(said)
    for problem in problems:
        words, dummy, command = problem.partition("\nCommand was: ")
        message = words.partition("ERROR:  ")[2] or words
        if (again and _THERE.search(message)) or command.startswith("COMMENT ON EXTENSION "):
            continue  # an extension that is missing is told itself
        needless = command.startswith(_NEEDLESS) or (command.startswith(_DATA) and _OF_AN_EXTENSION.match(message))
        (left_out if needless else wrong).append(": ".join(text.splitlines()[0][:SHOWN_CHARACTERS] for text in (command, message) if text))
    ignored = _IGNORED.search(said)
    if code != 1 or ignored is None or int(ignored[1]) != len(problems):
        # It did not come to its end, or in words that are not understood here.
        wrong += [f"exit code {code}", *said.strip().splitlines()[-SHOWN_LINES:]]
    return left_out, wrong


def _lend(database: Database, name: str) -> List[str]:
    """Have functions find what they were written for, as long as a restore lasts; return which had no search_path of their own."""
    functions = [row[0] for row in database.query(_BORROWERS, LEND_SECONDS, name)]
    _alter(database, name, functions, "SET search_path FROM CURRENT")
    return functions


def _alter(database: Database, name: str, functions: Sequence[str], how: str) -> None:
    if functions:
        database.query("\n".join(f"ALTER ROUTINE {function} {how};" for function in functions), LEND_SECONDS, name)


def failed(how: str, details: List[str]) -> ReleaseError:
    """Return the failure of a restore."""
    return ReleaseError("RESTORE_FAILED", f"the backup could not be restored: {how}", "fix the cause, or restore another backup", details)
