# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a dump has in it, by the program that would restore it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Deque, Iterable, Optional, Tuple

SHOWN_LINES = 10


@dataclass(frozen=True)
class Listing:
    """What `pg_restore --list` printed.

    Args:
        entries: how many things are in the dump.
        data: how many of them are a table's data.
        last: its last lines.
    """

    entries: int
    data: int
    last: Tuple[str, ...]

    @classmethod
    def of(cls, lines: Iterable[bytes]) -> Listing:
        """Count what is listed, and keep no more than the last lines of it."""
        entries = data = 0
        last: Deque[str] = deque(maxlen=SHOWN_LINES)
        for line in lines:
            text = line.decode(errors="replace").rstrip()
            last.append(text)
            entries += bool(text) and not text.startswith(";")
            data += " TABLE DATA " in text
        return cls(entries, data, tuple(last))


def list_problem(code: int, listing: Listing, tables: int) -> Optional[str]:
    """Say why a dump that pg_restore listed is none; None when it is one.

    Args:
        code: pg_restore's exit code.
        listing: what it printed.
        tables: how many tables were counted, each of which must have its data in the dump.
    """
    if code:
        return f"pg_restore --list failed (exit code {code})"
    if listing.data < tables:
        return f"it has the data of {listing.data} tables, {tables} were counted"
    return None if listing.entries or not tables else "it is empty"
