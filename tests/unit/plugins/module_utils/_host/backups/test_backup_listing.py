"""A dump is read before it counts."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.listing import SHOWN_LINES, Listing, list_problem

LISTING = "; header\n;\n217; 1259 16390 TABLE public items shop\n3350; 0 16390 TABLE DATA public items shop\n"


@pytest.mark.parametrize(
    ("code", "listing", "tables", "problem"),
    [
        (0, LISTING, 1, None),
        (0, "; header\n", 0, None),  # before the first migration
        (1, LISTING, 1, "pg_restore --list failed (exit code 1)"),
        (0, LISTING, 2, "it has the data of 1 tables, 2 were counted"),
        (0, "", 1, "it has the data of 0 tables, 1 were counted"),
    ],
)
def test_a_dump_is_read_before_it_counts(code: int, listing: str, tables: int, problem: str | None) -> None:
    assert list_problem(code, Listing.of(listing.encode().splitlines(keepends=True)), tables) == problem


def test_of_a_long_listing_only_the_end_is_kept() -> None:
    lines = (b"%d; 2613 %d BLOB - %d shop\n" % (number, number, number) for number in range(100_000))
    listing = Listing.of(lines)
    assert (listing.entries, listing.data, len(listing.last)) == (100_000, 0, SHOWN_LINES)
