# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges migrations by their SQL: can the release before live with what they leave behind?

``contract``: something that the release before may still use goes, or changes its meaning. ``expand``: every statement is of a kind
known only to add. ``unknown``: everything else; nobody can tell from the SQL alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Set

from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.review.statements import (
    Statement,
    actions,
    split,
    without_comments,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import (
    CONTRACT,
    DESTRUCTIVE,
    EXPAND,
    LOCK,
    UNKNOWN,
    Finding,
    Migration,
)

# What squawk reports: ``line``, counted from 0, ``rule_name`` and ``message``.
Report = Dict[str, Any]
# The linter: SQL to what squawk reports about it.
Lint = Callable[[str], List[Report]]

SHOWN_CHARACTERS = 120
SYNTAX_ERROR = "syntax-error"
_SET_NOT_NULL = "adding-not-nullable-field"
# Rules of squawk (squawkhq.com/docs/rules) about what the release before may still use.
DESTROYS = frozenset(
    [
        "adding-required-field",
        _SET_NOT_NULL,
        "ban-alter-generated-expression",
        "ban-detach-inheritance",
        "ban-drop-column",
        "ban-drop-database",
        # An insert that leaves the column out fails, or writes NULL, from now on.
        "ban-drop-default",
        "ban-drop-domain",
        "ban-drop-extension",
        "ban-drop-function",
        "ban-drop-generated-expression",
        "ban-drop-schema",
        "ban-drop-sequence",
        "ban-drop-table",
        "ban-drop-type",
        "ban-drop-view",
        "ban-revoke",
        "ban-set-schema",
        "ban-truncate-cascade",
        "changing-column-type",
        "renaming-column",
        "renaming-object",
        "renaming-table",
        "require-concurrent-partition-detach",
    ]
)
# Rules about how long a statement keeps others waiting. Its time-outs are not among them: the migrator's role has those.
LOCKS = frozenset(
    [
        "adding-field-with-default",
        "adding-foreign-key-constraint",
        "adding-serial-primary-key-field",
        "constraint-missing-not-valid",
        "disallowed-unique-constraint",
        "prefer-repack",
        "require-concurrent-index-creation",
        "require-concurrent-index-deletion",
        "require-concurrent-reindex",
    ]
)
# The linter tells of the lock only.
_OWN_WORDS = {_SET_NOT_NULL: "The release before may write NULL there. Reads are blocked while the table is scanned."}

_NAME = r'(?:"[^"]+"|[\w$]+)(?:\.(?:"[^"]+"|[\w$]+))*'
_IF_NOT_EXISTS = r"(?:IF NOT EXISTS )?"


def _matcher(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# What Alembic writes around each migration, whatever its table is called, and limits that a session sets for itself.
_BOOKKEEPING = _matcher(
    r"BEGIN|START TRANSACTION|COMMIT|END"
    r"|SET (?:LOCAL |SESSION )?(?:lock_timeout|statement_timeout|idle_in_transaction_session_timeout)\b.*"
    rf"|UPDATE {_NAME} SET version_num ?= ?'' WHERE {_NAME}\.version_num = ''(?: RETURNING .*)?"
    rf"|INSERT INTO {_NAME} \(version_num\) VALUES \(''\)(?: RETURNING .*)?"
    rf"|DELETE FROM {_NAME} WHERE {_NAME}\.version_num = ''(?: RETURNING .*)?"
)
# What the linter does not judge, or an older one not yet.
_GOES = (
    (_matcher(r"\bDELETE FROM\b"), "delete", "Deletes rows that the release before may still use."),
    (_matcher(r"^TRUNCATE\b"), "truncate", "Deletes rows that the release before may still use."),
    (_matcher(r"^DROP (?!INDEX\b)|\bDROP COLUMN\b"), "drop", "Drops what the release before may still use."),
    (_matcher(r"^REVOKE\b"), "revoke", "Takes a right away that the release before may need."),
)
_NEW_TABLE = _matcher(rf"CREATE (?:UNLOGGED )?TABLE {_IF_NOT_EXISTS}(?P<table>{_NAME}) ?\(")
# It runs a query, or its rows are those of another table.
_NOT_ONLY_NEW = _matcher(r"\bAS (?:SELECT|WITH|TABLE|VALUES|EXECUTE)\b|\bINHERITS\b")
_INDEX = _matcher(rf"CREATE (?P<unique>UNIQUE )?INDEX (?:CONCURRENTLY )?{_IF_NOT_EXISTS}(?:{_NAME} )?ON (?:ONLY )?(?P<table>{_NAME})")
_OTHER_ADDITIONS = _matcher(rf"CREATE (?:SCHEMA|SEQUENCE|TYPE|DOMAIN|EXTENSION|VIEW) {_IF_NOT_EXISTS}{_NAME}|COMMENT ON |GRANT |ANALYZE\b")
_INSERT = _matcher(rf"INSERT INTO (?P<table>{_NAME}) (?:\([^)]*\) )?VALUES\b")
_ALTER_TABLE = _matcher(rf"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?(?P<table>{_NAME}) ")
_ADD_CONSTRAINT = _matcher(r"ADD (?:CONSTRAINT|UNIQUE|PRIMARY|CHECK|FOREIGN|EXCLUDE|NOT NULL)\b")
_FOREIGN_KEY = _matcher(rf"ADD (?:CONSTRAINT {_NAME} )?FOREIGN KEY ?\((?P<columns>[^)]*)\)")
_ADD_COLUMN = _matcher(rf"ADD (?:COLUMN )?{_IF_NOT_EXISTS}(?P<column>{_NAME}) ")
_VALIDATE = _matcher(r"VALIDATE CONSTRAINT ")
# NULL, which the release before leaves there, suits every foreign key; a default may not.
_RESTRICTED_COLUMN = _matcher(r"\b(?:UNIQUE|CHECK|PRIMARY KEY)\b|\bREFERENCES\b.*\bDEFAULT\b|\bDEFAULT\b.*\bREFERENCES\b")
_DEFAULT = _matcher(r"\bDEFAULT\b")
# The release before still works without it. What is written from now on may not suit it, should one go back.
_GUARANTEE_GOES = _matcher(r"^DROP INDEX\b|\bDROP (?:CONSTRAINT|NOT NULL)\b")
_GUARANTEE = "The release before works without it, but may not suit what is written from now on."
_RESTRICTION = "The release before may write what is refused from now on."
_NOT_KNOWN = "Not of a kind that is known only to add."


@dataclass
class _Fresh:
    """What this migration itself has made so far: nobody else can have used it."""

    tables: Set[str]
    columns: Set[str]


def judge(migrations: Iterable[Migration], lint: Optional[Lint]) -> List[Migration]:
    """Return the migrations with `impact` and `findings`.

    Args:
        migrations: pending ones.
        lint: asks the linter; None when it was turned off, and then nobody knows of any.
    """
    return [_judged(migration, lint) for migration in migrations]


def _judged(migration: Migration, lint: Optional[Lint]) -> Migration:
    if migration.sql is None:
        findings = [Finding(0, "", "no-sql", "Its SQL cannot be told without running it.", UNKNOWN)]
    elif lint is None:
        findings = [Finding(0, "", "not-linted", "The linter was turned off.", UNKNOWN)]
    else:
        findings = sorted(_findings(migration.sql, lint), key=lambda finding: finding.line)
    kinds = {finding.kind for finding in findings}
    impact = CONTRACT if DESTRUCTIVE in kinds else UNKNOWN if UNKNOWN in kinds else EXPAND
    return replace(migration, impact=impact, findings=tuple(findings))


def _findings(sql: str, lint: Lint) -> Iterator[Finding]:
    text = without_comments(sql)
    statements = [statement for statement in split(text) if not _BOOKKEEPING.fullmatch(statement.bare)]
    reports = _reports(text, statements, lint)
    fresh = _Fresh(set(), set())
    for statement in statements:
        mine = [report for report in reports if statement.covers(report["line"] + 1)]
        yield from _of_statement(statement, mine, fresh)
    if any(r["rule_name"] == SYNTAX_ERROR and not any(s.covers(r["line"] + 1) for s in statements) for r in reports):
        yield Finding(0, "", SYNTAX_ERROR, "The linter cannot read all of it.", UNKNOWN)


def _reports(text: str, statements: List[Statement], lint: Lint) -> List[Report]:
    """Ask the linter. Of a text with a syntax error it reports nothing else: so again without what it cannot read."""
    reports = lint(text)
    every = list(reports)
    while broken := [s for s in statements if any(r["rule_name"] == SYNTAX_ERROR and s.covers(r["line"] + 1) for r in reports)]:
        statements = [statement for statement in statements if statement not in broken]
        text = _blanked(text, broken)
        reports = lint(text)
        every += reports
    return every


def _of_statement(statement: Statement, reports: List[Report], fresh: _Fresh) -> Iterator[Finding]:
    ours = [(rule, message) for pattern, rule, message in _GOES if pattern.search(statement.bare)]
    told = {report["rule_name"]: report for report in reports}
    on_fresh, shown = _table_of(statement.bare) in fresh.tables, _shortened(statement.text)
    for rule, report in told.items():
        if rule in DESTROYS:
            yield Finding(report["line"] + 1, shown, rule, _OWN_WORDS.get(rule) or report["message"], DESTRUCTIVE)
        elif rule in LOCKS and not on_fresh:
            yield Finding(report["line"] + 1, shown, rule, report["message"], LOCK)
    if not DESTROYS & set(told):
        yield from (Finding(statement.line, shown, rule, message, DESTRUCTIVE) for rule, message in ours)
        if SYNTAX_ERROR in told:
            message = f"The linter cannot read it: {told[SYNTAX_ERROR]['message']}."
            yield Finding(statement.line, shown, SYNTAX_ERROR, message, UNKNOWN)
        elif not ours and (doubt := _doubt(statement.bare, fresh)):
            yield Finding(statement.line, shown, "not-additive", doubt, UNKNOWN)
    _remember(statement.bare, fresh)


def _doubt(bare: str, fresh: _Fresh) -> Optional[str]:
    """Say why a statement is not known only to add; None when it is."""
    if _GUARANTEE_GOES.search(bare):
        return _GUARANTEE
    if _OTHER_ADDITIONS.match(bare):
        return None
    if _NEW_TABLE.match(bare):
        return _NOT_KNOWN if _NOT_ONLY_NEW.search(bare) else None
    if index := _INDEX.match(bare):
        return _RESTRICTION if index["unique"] and _plain(index["table"]) not in fresh.tables else None
    if row := _INSERT.match(bare):
        return None if _plain(row["table"]) in fresh.tables else _NOT_KNOWN
    if table := _ALTER_TABLE.match(bare):
        is_new = _plain(table["table"]) in fresh.tables
        added: Set[str] = set()
        for action in actions(bare[table.end() :]):
            if reason := _doubt_of_action(action, is_new, fresh.columns | added):
                return reason
            added |= set(_nullable_columns(action))
        return None
    return _NOT_KNOWN


def _doubt_of_action(action: str, is_new: bool, columns: Set[str]) -> Optional[str]:
    if _VALIDATE.match(action):
        return None
    if _ADD_CONSTRAINT.match(action):
        key = _FOREIGN_KEY.match(action)
        suits = is_new or (key and all(_plain(column) in columns for column in key["columns"].split(",")))
        return None if suits else _RESTRICTION
    if _ADD_COLUMN.match(action):
        return _RESTRICTION if _RESTRICTED_COLUMN.search(action) and not is_new else None
    return _NOT_KNOWN


def _remember(bare: str, fresh: _Fresh) -> None:
    if (table := _NEW_TABLE.match(bare)) and "IF NOT EXISTS" not in bare.upper():
        fresh.tables.add(_plain(table["table"]))
    elif table := _ALTER_TABLE.match(bare):
        for action in actions(bare[table.end() :]):
            fresh.columns |= set(_nullable_columns(action))


def _nullable_columns(action: str) -> Iterator[str]:
    column = None if _ADD_CONSTRAINT.match(action) else _ADD_COLUMN.match(action)
    if column and not _DEFAULT.search(action):
        yield _plain(column["column"])


def _table_of(bare: str) -> Optional[str]:
    found = _INDEX.match(bare) or _ALTER_TABLE.match(bare)
    return _plain(found["table"]) if found else None


def _plain(name: str) -> str:
    return name.strip().replace('"', "").lower()


def _blanked(text: str, statements: List[Statement]) -> str:
    for statement in statements:
        there = text[statement.start : statement.end]
        text = text[: statement.start] + re.sub(r"[^\n]", " ", there) + text[statement.end :]
    return text


def _shortened(statement: str) -> str:
    words = " ".join(statement.split())
    return words if len(words) <= SHOWN_CHARACTERS else words[: SHOWN_CHARACTERS - 1] + "…"


def shown(migrations: Iterable[Migration]) -> str:
    """Return judged migrations as text for people: what each is, what was found, its SQL."""
    return "\n".join(line for migration in migrations for line in _lines(migration))


def _lines(migration: Migration) -> Iterator[str]:
    title = f": {migration.title}" if migration.title else ""
    yield f"-- migration {migration.revision} (after {', '.join(migration.down) or 'nothing'}){title}"
    yield f"-- class: {migration.impact}"
    for finding in migration.findings:
        where = f"line {finding.line}: {finding.statement}: " if finding.statement else ""
        yield f"--   {finding.kind}: {where}{finding.message} [{finding.rule}]"
    yield (migration.sql or "").strip() + "\n"
