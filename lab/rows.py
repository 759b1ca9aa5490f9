"""Which numbered rows must be in a database, after steps that keep everything and after a restore that was asked to lose some.

Rows are written one after the other, in the order of their numbers: so what a moment had is always all of them up to one.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

SHOWN = 5


@dataclass(frozen=True)
class Backup:
    """What a backup can hold.

    Args:
        id: its id.
        level: the schema that it is of.
        sure: rows that were committed before it was begun.
        maybe: rows that were committed, in this order, while the step that made it was under way.
    """

    id: str
    level: int
    sure: frozenset[int]
    maybe: tuple[int, ...] = ()


def unlike_kept(committed: Collection[int], doubtful: Collection[int], found: Collection[int]) -> Iterator[str]:
    """Say what is wrong with the rows found after a step that loses nothing; nothing when all is right.

    Args:
        committed: rows whose writing was confirmed.
        doubtful: rows whose writing was not; they may be there.
        found: rows that are there.
    """
    yield from _rows("committed, and lost", set(committed) - set(found))
    yield from _rows("never confirmed, or lost by an earlier restore, and there", set(found) - set(committed) - set(doubtful))


def unlike_restored(backup: Backup, during: Sequence[int], doubtful: Collection[int], found: Collection[int]) -> Iterator[str]:
    """Say what is wrong with the rows found after a restore; nothing when all is right.

    Args:
        backup: that was restored.
        during: rows that were committed, in this order, while the restore was under way: the first may be gone, the last not.
        doubtful: rows whose writing was not confirmed.
        found: rows that are there.
    """
    there = set(found)
    yield from _rows("in the backup, and not restored", backup.sure - there)
    later = there - backup.sure - set(backup.maybe) - set(doubtful) - set(during)
    yield from _rows("committed after the backup, and there", later)
    if _rises(number in there for number in backup.maybe):
        yield "of the rows committed while the backup was made, a later one is there without an earlier one"
    if _rises(number not in there for number in during):
        yield "of the rows committed during the restore, an earlier one is there without a later one"


def _rows(what: str, numbers: Collection[int]) -> Iterator[str]:
    if numbers:
        yield f"{len(numbers)} rows were {what}: {sorted(numbers)[:SHOWN]}"


def _rises(flags: Iterable[bool]) -> bool:
    return any(after and not before for before, after in pairwise(flags))
