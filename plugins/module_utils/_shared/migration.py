# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A migration of the database's schema, as the host plans it, the controller judges it, and the host records it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, Mapping, Optional, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.fields import known_fields

# What a migration does to the release before it: it only adds; it takes something away or changes it; nobody can tell.
EXPAND, CONTRACT, UNKNOWN = "expand", "contract", "unknown"
# What a finding is about: something that the release before may still use goes; how long others wait; nobody can tell.
DESTRUCTIVE, LOCK = "destructive", "lock"


@dataclass(frozen=True)
class Finding:
    """What was found in one statement.

    Args:
        line: where it begins in the migration's SQL, counted from 1; 0 when it is about all of it.
        statement: its beginning, on one line; empty when it is about all of it.
        rule: name of the rule, the linter's or ours.
        message: why it matters.
        kind: `DESTRUCTIVE`, `LOCK` or `UNKNOWN`.
    """

    line: int
    statement: str
    rule: str
    message: str
    kind: str


@dataclass(frozen=True)
class Migration:
    """One migration.

    Args:
        revision: its name.
        down: the revisions that it follows.
        title: its first line of text.
        sql: None where it cannot be told without running it, and in records.
        impact: `EXPAND`, `CONTRACT` or `UNKNOWN`; empty until it was judged.
        findings: what `impact` was judged by.
    """

    revision: str
    down: Tuple[str, ...] = ()
    title: str = ""
    sql: Optional[str] = None
    impact: str = ""
    findings: Tuple[Finding, ...] = ()

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Migration:
        """Read what `as_dict` wrote.

        Raises:
            KeyError, TypeError: it did not.
        """
        return cls(
            told["revision"],
            tuple(told.get("down") or ()),
            told.get("title") or "",
            told.get("sql"),
            told.get("class") or "",
            tuple(Finding(**known_fields(Finding, finding)) for finding in told.get("findings") or ()),
        )

    def as_dict(self) -> Dict[str, Any]:
        """Return it as JSON has it: `impact` is called ``class`` there."""
        told: Dict[str, Any] = {"revision": self.revision, "down": list(self.down), "title": self.title, "sql": self.sql}
        if self.impact:
            told.update({"class": self.impact, "findings": [asdict(finding) for finding in self.findings]})
        return told

    def recorded(self) -> Dict[str, Any]:
        """Return what stays on record: all but the SQL."""
        return {name: value for name, value in self.as_dict().items() if name != "sql"}
