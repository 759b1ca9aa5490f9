# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cuts SQL into statements, as PostgreSQL reads it: quotes, dollar quotes, nested comments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterator, List, Tuple

_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*)
      | (?P<escaped>\b[eE]'(?:[^'\\]|\\.|'')*(?:'|$))
      | (?P<literal>'(?:[^']|'')*(?:'|$))
      | (?P<identifier>"(?:[^"]|"")*(?:"|$))
      | (?<![\w$])(?P<tag>\$(?:[^\W\d]\w*)?\$)
      | (?P<end>;)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


@dataclass(frozen=True)
class Statement:
    """One statement.

    ``line`` and ``last_line`` count from 1; ``start`` and ``end`` are where it is in the text. ``bare`` has one blank for any white
    space, and nothing in its literals: words in it are words of the statement.
    """

    line: int
    last_line: int
    start: int
    end: int
    text: str
    bare: str

    def covers(self, line: int) -> bool:
        """Whether this line is one of the statement's."""
        return self.line <= line <= self.last_line


def without_comments(sql: str) -> str:
    """Return the SQL with blanks for its comments, which could tell the linter to look away; lines stay where they are."""
    parts: List[str] = []
    place = 0
    for kind, start, end in _tokens(sql):
        if kind == "comment":
            parts += [sql[place:start], re.sub(r"[^\n]", " ", sql[start:end])]
            place = end
    return "".join([*parts, sql[place:]])


def split(sql: str) -> List[Statement]:
    """Return the statements of SQL that has no comments."""
    statements: List[Statement] = []
    begin, bare, place = 0, "", 0
    for kind, start, end in [*_tokens(sql), ("end", len(sql), len(sql))]:
        bare += sql[place:start]
        place = end
        if kind == "end":
            statements += _statement(sql, begin, start, bare)
            begin, bare = end, ""
        else:
            bare += _harmless(sql[start:end]) if kind == "identifier" else "''"
    return statements


def _statement(sql: str, begin: int, end: int, bare: str) -> Iterator[Statement]:
    text = sql[begin:end].strip()
    if text:
        start = begin + len(sql[begin:end]) - len(sql[begin:end].lstrip())
        line = sql.count("\n", 0, start) + 1
        yield Statement(line, line + text.count("\n"), start, end, text, " ".join(bare.split()))


def _harmless(identifier: str) -> str:
    """Return a quoted identifier without blanks, brackets and commas: they are not the statement's."""
    return '"' + re.sub(r"\W", "_", identifier[1:-1]) + '"'


def actions(bare: str) -> List[str]:
    """Return the parts of a statement's bare text between commas that are in no brackets."""
    parts, depth, begin = [], 0, 0
    for place, sign in enumerate(bare):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            parts.append(bare[begin:place].strip())
            begin = place + 1
    return [*parts, bare[begin:].strip()]


def _tokens(sql: str) -> Iterator[Tuple[str, int, int]]:
    """Yield kind, start and end of all that may hide a semicolon, and of semicolons."""
    place = 0
    while found := _TOKEN.search(sql, place):
        kind, end = str(found.lastgroup), found.end()
        if kind == "tag":
            closing = sql.find(found["tag"], end)
            end = len(sql) if closing < 0 else closing + len(found["tag"])
        elif found[0] == "/*":
            end = _end_of_comment(sql, end)
        yield kind, found.start(), end
        place = end


def _end_of_comment(sql: str, place: int) -> int:
    depth = 1
    while depth and (edge := _COMMENT_EDGE.search(sql, place)):
        depth += 1 if edge[0] == "/*" else -1
        place = edge.end()
    return len(sql) if depth else place
