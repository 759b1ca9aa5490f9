# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the journal says of a run, and the phases that a run goes through."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Dict, List, Mapping, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import now

# What a run does on a host, in order.  A phase means that this is done; MIGRATING alone that it was begun.
PHASES = ("PLANNED", "PREPARED", "BACKED_UP", "MIGRATING", "MIGRATED", "STARTED", "READY", "SWITCHED", "BAKED", "COMMITTED")
# Begun only where an exclusive volume is handed over, between MIGRATED and STARTED: the live release is stopped before the new one starts.
STOPPING = "STOPPING"
# How a run ends: its release is live, was cleared away, or was live for a moment and put back.
ENDS = ("COMMITTED", "ABORTED", "REVERTED")


@dataclass(frozen=True)
class Entry:
    """A run on this host.

    Args:
        run: its id.
        owner: who runs it.
        action: ``deploy`` or ``rollback``.
        since: when it began, in UTC.
        boot: what tells this boot of the host from the next.
        before: the release that was live when it began; None when none was.
        release: the one that it is about, as soon as that has an id.
        phase: the last one that was reached.
        phases: all that were reached: ``phase``, and ``at``, when.
        expires: when its lease ends, in seconds of the monotonic clock; None while a stage runs, and when there is no lease.
        until: the same in UTC, for people.
        code: failure code of one that failed.
        message: its message.
    """

    run: str
    owner: str
    action: str
    since: str
    boot: str
    before: Optional[str] = None
    release: Optional[str] = None
    phase: str = PHASES[0]
    phases: List[Dict[str, str]] = field(default_factory=list)
    expires: Optional[float] = None
    until: Optional[str] = None
    code: Optional[str] = None
    message: Optional[str] = None

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do about it."""
        return self.phase in ENDS

    def reached(self, phase: str) -> bool:
        """Tell whether it came as far as a phase."""
        return any(passed["phase"] == phase for passed in self.phases)

    def at(self, phase: str) -> Entry:
        """Return the entry of the run once it has reached a phase."""
        return replace(self, phase=phase, phases=[*self.phases, {"phase": phase, "at": now()}])

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Entry:
        """Read what `as_dict` wrote."""
        return cls(**{_FIELDS[key]: told[key] for key in KEYS})

    def as_dict(self) -> Dict[str, Any]:
        """Return it as JSON has it: `before` is called ``from`` there."""
        written = asdict(self)
        return {key: written[name] for key, name in _FIELDS.items()}


# The keys in JSON, and the fields that they are.
_FIELDS = {"from" if name == "before" else name: name for name in Entry.__dataclass_fields__}
KEYS = tuple(_FIELDS)
