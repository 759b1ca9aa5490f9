# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decisions about the database's schema, free of I/O so that they can be tested as tables."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import Migration

ALEMBIC, COMMAND, NONE = "alembic", "command", "none"
# Programs that run another one in its environment. Whatever else stands before Alembic is not run in a plan.
_RUNNERS = ("uv", "poetry", "pdm", "pipenv", "rye", "hatch", "env")
# What the schema's checksum is called where a tool records no revision that we could read.
CHECKSUM = "schema:"
# More is no SQL that anybody reviews.
LONGEST_SQL = 200_000

# One line of `alembic history`: what it follows, what it depends on, its name, whether it is a head, its first line of text.
_HISTORY = re.compile(
    r"(?P<down><base>|[^\s,()]+(?:, [^\s,()]+)*)(?: \((?P<needs>[^)]*)\))?"
    r" -> (?P<revision>\S+)(?P<marks>(?: \([^)]*\))*),(?: (?P<title>.*))?"
)
_RUNNING = re.compile(r"^-- Running upgrade .*?-> (\S+)$", re.MULTILINE)


def tool_of(settings: Settings) -> str:
    """Return what migrates: Alembic, which can be asked for its plan, any other command, or nothing."""
    if not settings["migrate"]:
        return NONE
    return ALEMBIC if alembic_words(settings["migrate_command"]) else COMMAND


def alembic_words(command: Sequence[str]) -> List[str]:
    """Return the words with which Alembic is called in a migration command, options included; empty for any other command.

    Only an upgrade to the image's head or heads can be planned: that is what the image needs.
    """
    words = list(command)
    if len(words) < 3 or words[-2] != "upgrade" or words[-1] not in ("head", "heads"):
        return []
    return words[:-2] if any(_is_alembic(word) for word in words[:-2]) else []


def is_script(command: Sequence[str]) -> bool:
    """Tell whether a command is a shell script, which may call any tool."""
    return any(_base(word) in ("sh", "bash", "dash") or word.endswith(".sh") for word in command)


def direct_words(words: Sequence[str]) -> List[str]:
    """Return the words of `alembic_words` without what prepares something before, such as an entrypoint that waits for the database."""
    return list(itertools.dropwhile(lambda word: not (_is_alembic(word) or _is_python(word) or _base(word) in _RUNNERS), words))


def python_words(words: Sequence[str]) -> Tuple[List[str], str, List[str]]:
    """Return how the Python that has Alembic is called, the alembic command where that names it, and Alembic's options.

    Args:
        words: as `direct_words` returns them.
    """
    at = next(index for index, word in enumerate(words) if _is_alembic(word))
    before, options = list(words[:at]), list(words[at + 1 :])
    if before and before[-1] == "-m":
        return before[:-1], "", options
    return [*before, "python3"], words[at], options


def _base(word: str) -> str:
    return word.rpartition("/")[2]


def _is_alembic(word: str) -> bool:
    return _base(word) == "alembic"


def _is_python(word: str) -> bool:
    return _base(word).startswith("python")


def including(parents: Mapping[str, Sequence[str]], revisions: Iterable[str]) -> Set[str]:
    """Return revisions and all that they build on, as far as that is known.

    Args:
        parents: what each revision follows.
        revisions: where to begin.
    """
    found: Set[str] = set()
    waiting = list(revisions)
    while waiting:
        revision = waiting.pop()
        if revision not in found:
            found.add(revision)
            waiting += parents.get(revision, ())
    return found


@dataclass(frozen=True)
class History:
    """The migrations that an image knows.

    Args:
        parents: what each follows and depends on, by revision, oldest first.
        heads: those that none follows.
        titles: what each says of itself.
    """

    parents: Dict[str, Tuple[str, ...]]
    heads: Tuple[str, ...]
    titles: Dict[str, str]

    def pending(self, current: Sequence[str]) -> List[Migration]:
        """Return the migrations that a database at `current` lacks, in the order in which they are run."""
        has = including(self.parents, current)
        return [Migration(revision, parents, self.titles[revision]) for revision, parents in self.parents.items() if revision not in has]

    def conflict(self, current: Sequence[str], target: str) -> Optional[str]:
        """Say why a database at `current` cannot be brought to `target` (``head`` or ``heads``); None when it can."""
        if target == "head" and len(self.heads) > 1:
            return f"the image has {len(self.heads)} heads, {', '.join(self.heads)}, so that nobody can tell which it needs"
        strange = [revision for revision in current if revision not in self.parents]
        if strange:
            return f"the database is at {', '.join(strange)}, which the image does not know; its head is {', '.join(self.heads) or 'none'}"
        return None


def history_of(output: str) -> History:
    """Read what `alembic history` printed, newest first."""
    lines = [found for found in map(_HISTORY.fullmatch, reversed(output.splitlines())) if found]
    parents = {line["revision"]: tuple(_names(line["down"]) + _names(line["needs"] or "")) for line in lines}
    heads = tuple(line["revision"] for line in lines if "(head)" in line["marks"])
    return History(parents, heads, {line["revision"]: line["title"] or "" for line in lines})


def told_history(told: Any) -> Optional[History]:
    """Read the list of migrations that `alembic_program` told, oldest first; None when it is no such list."""
    try:
        parents = {str(one["revision"]): tuple(str(name) for name in one["down"]) for one in told}
        titles = {str(one["revision"]): str(one["title"]) for one in told}
    except (KeyError, TypeError):
        return None
    followed = {name for names in parents.values() for name in names}
    return History(parents, tuple(name for name in parents if name not in followed), titles)


def _names(text: str) -> List[str]:
    return [] if text in ("", "<base>") else text.split(", ")


def sql_by_revision(output: str, whole: bool) -> Tuple[Dict[str, str], Optional[str]]:
    """Read what `alembic upgrade --sql` printed: the SQL of each migration, and the one at which it failed.

    Args:
        output: its standard output.
        whole: it came to its end; else its last migration is the one that cannot be told without a database.
    """
    dummy, *parts = _RUNNING.split(output)
    found = {parts[at]: parts[at + 1].strip() for at in range(0, len(parts), 2)}
    failed = None if whole or not found else found.popitem()[0]
    return {revision: sql for revision, sql in found.items() if len(sql) <= LONGEST_SQL}, failed


def begun(output: str) -> bool:
    """Tell whether `alembic upgrade --sql` came as far as to a migration."""
    return bool(_RUNNING.search(output))


def table_name(table: Any, schema: Any) -> str:
    """Return a table's name as SQL has it, with its schema if it has one; empty for none."""
    return ".".join(_identifier(str(name)) for name in (schema, table) if name) if table else ""


def _identifier(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"{}"'.format(name.replace('"', '""'))


def is_other_table(told: str, wanted: str, found: bool) -> bool:
    """Tell whether the table that env.py names is another one than the variable's.

    Args:
        told: as `table_name` returns it.
        wanted: app_release_migrate_version_table.
        found: a revision was found there, so that a name without its schema is found by the search path.
    """
    schema, dummy, table = told.rpartition(".")
    wanted_schema, dummy, wanted_table = wanted.rpartition(".")
    if table.strip('"') != wanted_table.strip('"'):
        return True
    return bool(schema) and schema.strip('"') != wanted_schema.strip('"') and not (found and not wanted_schema)
