# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a database is ahead of what a release was made for.  Decisions only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, List, Mapping, Sequence, Set, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.schema import including
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import EXPAND, LOCK, Migration


@dataclass(frozen=True)
class Distance:
    """How far a database is ahead of what a release was made for.

    Args:
        crossed: the migrations in between, newest first.
        problem: why that cannot be told; empty when it can.
    """

    crossed: Tuple[Migration, ...] = ()
    problem: str = ""

    @property
    def harmless(self) -> bool:
        """Whether the release can work with the database as it is."""
        return not self.problem and all(migration.impact == EXPAND for migration in self.crossed)


def distance(known: Mapping[str, Migration], heads: Sequence[str], revision: Sequence[str]) -> Distance:
    """Compare what a release was made for with what the database is at.

    Args:
        known: all migrations on record, by revision.
        heads: the release's.
        revision: the database's.
    """
    includes = including({name: migration.down for name, migration in known.items()}, heads)
    crossed: List[Migration] = []
    met: Set[str] = set()
    seen: Set[str] = set()
    waiting = list(revision)
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if name in includes:  # where two lines were merged, what both build on was the release's as well
            met.add(name)
        elif name in known:
            crossed.append(known[name])
            waiting += known[name].down
        else:
            return Distance(tuple(crossed), f"how the database came to {name} is not on record")
    missing = [head for head in heads if head not in met]
    if missing:
        at = ", ".join(revision) or "no revision"
        return Distance(tuple(crossed), f"the database is at {at}, which does not include {', '.join(missing)}")
    return Distance(tuple(crossed))


def gate_lines(migrations: Iterable[Migration]) -> List[str]:
    """Return migrations that are not known to be harmless, for people: each with its class and the statements that make it so."""
    lines: List[str] = []
    for migration in migrations:
        if migration.impact != EXPAND:
            lines.append(f"{migration.revision} ({migration.impact}): {migration.title or 'no title'}")
            findings = [finding for finding in migration.findings if finding.kind != LOCK]
            lines += [f"  {': '.join(filter(None, (finding.statement, finding.message)))}" for finding in findings]
    return lines
