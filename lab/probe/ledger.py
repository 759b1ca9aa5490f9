"""Remembers every POST of a run, so that lost and doubled items can be found."""

import random
from collections import deque

# Items may be created before the first one whose answer arrives: the audit begins that many ids earlier.
ID_MARGIN = 1000


class Ledger:
    """References sent, and the ids the server gave to those it acknowledged."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.sent = 0
        self.acknowledged: dict[str, int] = {}
        self._recent: deque[tuple[int, str]] = deque(maxlen=200)

    def new_reference(self) -> str:
        """Return a reference never used before, `<run>-<n>`."""
        self.sent += 1
        return f"{self.run}-{self.sent}"

    def acknowledge(self, reference: str, item_id: int) -> None:
        """Note that the server answered 201 for `reference`."""
        self.acknowledged[reference] = item_id
        self._recent.append((item_id, reference))

    def recent(self) -> tuple[int, str] | None:
        """Return id and reference of some item created lately, or None when there is none yet."""
        return random.choice(self._recent) if self._recent else None

    def audit_start(self) -> int:
        """Return an id that is lower than that of any item of this run."""
        return max(min(self.acknowledged.values(), default=0) - ID_MARGIN, 0)
