"""Whether a database holds what a manifest says."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._backup_census import all_rows, differences
from fakes_backup import TABLES, day, manifest


@pytest.mark.parametrize(
    ("revision", "tables", "said"),
    [
        (("0002",), TABLES, []),
        ((), TABLES, ["the revision is no revision instead of 0002"]),
        (("0002",), {"public.items": TABLES["public.items"]}, ["public.users is missing"]),
        (("0002",), {**TABLES, "public.items": {"rows": 2, "checksum": "17"}}, ["public.items has 2 rows instead of 3"]),
        (
            ("0002",),
            {**TABLES, "public.items": {"rows": 3, "checksum": "18"}},
            ["public.items has 3 rows as it should, with other content"],
        ),
        (("0002",), {**TABLES, "public.more": {"rows": 0, "checksum": "0"}}, ["public.more should not be there"]),
    ],
)
def test_what_differs_from_a_manifest(revision: tuple[str, ...], tables: dict[str, Any], said: list[str]) -> None:
    assert differences(manifest(day(1)), revision, tables) == said
    assert all_rows(TABLES) == 4


def test_a_long_list_of_differences_is_cut() -> None:
    many = {f"public.t{number}": {"rows": 0, "checksum": "0"} for number in range(12)}
    assert differences(manifest(day(1), tables=many), ("0002",), {})[10:] == ["and 2 more"]
