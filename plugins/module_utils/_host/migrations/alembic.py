# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks an image's Alembic for its migrations and their SQL, without letting it change anything."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Optional, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import TOO_LARGE, CommandTimeout, Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations import alembic_program, schema
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.image import Image
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.schema import History
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

SECONDS = 60.0
SHOWN_LINES = 15
WHERE = "in a container without network, without the image's entrypoint, and with placeholders for secrets"


@dataclass
class Answer:
    """What an image told of its migrations.

    Args:
        history: None when it could not tell.
        sql: of what the database lacks, by revision, as far as that can be told without running it.
        version_table: in which env.py keeps the revision, with its schema; empty when it was not told.
        problem: why something was not told; empty when all was.
    """

    history: Optional[History] = None
    sql: Dict[str, str] = field(default_factory=dict)
    version_table: str = ""
    problem: str = ""


def ask(image: Image, current: Sequence[str]) -> Answer:
    """Ask an image for its migrations, and for the SQL of those that a database at `current` lacks.

    By a program of our own, which imports Alembic once and never runs env.py for the list. Where the image has no Python that has
    Alembic, its command is asked for the list alone: what it prints cannot be told from what a logger prints.
    """
    words = schema.direct_words(schema.alembic_words(image.settings["migrate_command"]))
    python, tool, options = schema.python_words(words)
    question = {"tool": tool, "options": options, "target": image.settings["migrate_command"][-1], "current": list(current)}
    try:
        done = image.ask([*python, "-c", inspect.getsource(alembic_program), json.dumps(question)], SECONDS)
    except CommandTimeout as error:
        answer = _read("\n".join(error.details))
        answer.problem = f"it did not answer within {SECONDS:g} s"
        return answer
    except ReleaseError as error:
        if error.code != TOO_LARGE:
            raise
        return Answer(problem=error.what)
    answer = _read(done.out)
    if done.code and not answer.problem:
        answer.problem = _last_words(done)
    return answer if answer.history else _listed(image, words, done)


def _read(output: str) -> Answer:
    answer = Answer()
    for line in _lines(output):
        if "history" in line:
            answer.history = schema.told_history(line["history"])
        elif isinstance(line.get("sql"), str):
            failed = str(line.get("failed") or "")
            sql, dummy = schema.sql_by_revision(line["sql"], whole=not failed)
            answer.sql.update(sql)
            answer.version_table = answer.version_table or schema.table_name(line.get("version_table"), line.get("version_schema"))
            if failed and not schema.begun(line["sql"]):  # not in a migration, which may well need rows to read
                answer.problem = failed
    return answer


def _lines(output: str) -> Iterator[Dict[str, Any]]:
    for text in output.splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            yield line


def _listed(image: Image, words: Sequence[str], failed: Finished) -> Answer:
    """Ask the command itself, and say of what the program failed when that fails as well."""
    try:
        done = image.ask([*words, "history"], SECONDS)
    except ReleaseError as error:
        if not isinstance(error, CommandTimeout) and error.code != TOO_LARGE:
            raise
        done = Finished(1, "", "")
    history = None if done.code else schema.history_of(done.out)
    return Answer(history, problem=_last_words(failed))


def _last_words(done: Finished) -> str:
    """Return the last lines that a command printed, as one text."""
    lines: List[str] = [line for line in [*done.out.splitlines(), *done.err.splitlines()] if line.strip()]
    return "\n".join(lines[-SHOWN_LINES:]) or f"exit code {done.code}"
