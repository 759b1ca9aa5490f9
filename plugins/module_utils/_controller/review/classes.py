# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges migrations by their SQL: can the release before live with what they leave behind?

``contract``: something that the release before may still use goes, or changes its meaning. ``expand``: every statement is of a kind
known only to add. ``unknown``: everything else; nobody can tell from the SQL alone.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.review.additions import (
    Fresh,
    doubt,
    is_bookkeeping,
    losses,
    table_of,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.review.statements import Statement, split, without_comments
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
    statements = [statement for statement in split(text) if not is_bookkeeping(statement.node)]
    reports = _reports(text, statements, lint)
    fresh = Fresh()
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


def _of_statement(statement: Statement, reports: List[Report], fresh: Fresh) -> Iterator[Finding]:
    node, told = statement.node, {report["rule_name"]: report for report in reports}
    lost, shown = list(losses(node)), _shortened(statement.text)
    on_fresh = table_of(node) in fresh.tables
    for rule, report in told.items():
        if rule in DESTROYS:
            yield Finding(report["line"] + 1, shown, rule, _OWN_WORDS.get(rule) or report["message"], DESTRUCTIVE)
        elif rule in LOCKS and not on_fresh:
            yield Finding(report["line"] + 1, shown, rule, report["message"], LOCK)
    if not DESTROYS & set(told):
        yield from (Finding(statement.line, shown, rule, message, DESTRUCTIVE) for rule, message in lost)
        if SYNTAX_ERROR in told:
            message = f"The linter cannot read it: {told[SYNTAX_ERROR]['message']}."
            yield Finding(statement.line, shown, SYNTAX_ERROR, message, UNKNOWN)
        elif node is None:
            yield Finding(statement.line, shown, SYNTAX_ERROR, "PostgreSQL's parser cannot read it.", UNKNOWN)
        elif not lost and (reason := doubt(node, fresh)):
            yield Finding(statement.line, shown, "not-additive", reason, UNKNOWN)
    fresh.remember(node)


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
