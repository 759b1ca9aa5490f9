# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads SQL by PostgreSQL's own parser, which pglast brings."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import Any, Iterator, List, Sequence

try:
    import pglast
    from pglast.parser import ParseError
except ImportError:
    pglast = None  # type: ignore[assignment]

# The classes of what the parser returns, and their enumerations.
ast: Any = pglast and pglast.ast
enums: Any = pglast and pglast.enums
MISSING = (
    "pglast, which reads the SQL of migrations, is not installed on the controller: pip install pglast, beside ansible-core; "
    "or -e app_release_migrate_lint=false, then every migration counts as unknown"
)
_COMMENTS = ("SQL_COMMENT", "C_COMMENT")


@dataclass(frozen=True)
class Statement:
    """One statement.

    Args:
        line: where it begins, counted from 1.
        last_line: where it ends.
        start: offset of its first character in the text.
        end: offset behind its last one.
        text: it.
        node: what the parser made of it; None when it cannot be read.
    """

    line: int
    last_line: int
    start: int
    end: int
    text: str
    node: Any

    def covers(self, line: int) -> bool:
        """Whether this line is one of the statement's."""
        return self.line <= line <= self.last_line


def is_installed() -> bool:
    """Tell whether the parser is there."""
    return pglast is not None


def without_comments(sql: str) -> str:
    """Return the SQL with blanks for its comments, which could tell the linter to look away; lines stay where they are.

    A text that is no SQL from a point on, such as one with a quote that is never closed, is returned as it is.
    """
    try:
        comments = [token for token in pglast.scan(sql) if token.name in _COMMENTS]
    except ParseError:
        return sql
    for token in comments:
        sql = sql[: token.start] + re.sub(r"[^\n]", " ", sql[token.start : token.end + 1]) + sql[token.end + 1 :]
    return sql


def split(sql: str) -> List[Statement]:
    """Return the statements of SQL that has no comments; all of it is one that cannot be read, where nobody can tell them apart."""
    slices: Sequence[slice] = (slice(0, len(sql)),)
    # The parser knows semicolons in the body of a function; where it cannot read all, the scanner finds those outside of quotes.
    for with_parser in (True, False):
        with contextlib.suppress(ParseError):
            slices = pglast.split(sql, with_parser=with_parser, only_slices=True)
            break
    return [statement for place in slices for statement in _statement(sql, place.start, place.stop)]


def _statement(sql: str, begin: int, end: int) -> Iterator[Statement]:
    text = sql[begin:end].strip()
    if text:
        start = sql.index(text, begin)
        line = sql.count("\n", 0, start) + 1
        yield Statement(line, line + text.count("\n"), start, start + len(text), text, _parsed(text))


def _parsed(text: str) -> Any:
    try:
        (parsed,) = pglast.parse_sql(text)
    except (ParseError, ValueError):
        return None
    return parsed.stmt


def walk(node: Any) -> Iterator[Any]:
    """Yield a node and all below it."""
    if isinstance(node, tuple):
        for each in node:
            yield from walk(each)
    elif isinstance(node, ast.Node):
        yield node
        for name in node:
            yield from walk(getattr(node, name))
