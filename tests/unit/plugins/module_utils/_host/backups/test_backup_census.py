"""Whether a database holds what a manifest says."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import census
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.census import differences
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Table
from fakes import fails
from fakes_backup import TABLES, day, manifest


@pytest.mark.parametrize(
    ("revision", "tables", "said"),
    [
        (("0002",), TABLES, []),
        ((), TABLES, ["the revision is no revision instead of 0002"]),
        (("0002",), {"public.items": TABLES["public.items"]}, ["public.users is missing"]),
        (("0002",), {**TABLES, "public.items": Table(2, "17")}, ["public.items has 2 rows instead of 3"]),
        (
            ("0002",),
            {**TABLES, "public.items": Table(3, "18")},
            ["public.items has 3 rows as it should, with other content"],
        ),
        (("0002",), {**TABLES, "public.more": Table(0, "0")}, ["public.more should not be there"]),
    ],
)
def test_what_differs_from_a_manifest(revision: tuple[str, ...], tables: dict[str, Any], said: list[str]) -> None:
    assert differences(manifest(day(1)), revision, tables) == said
    assert manifest(day(1)).rows == 4


def test_a_long_list_of_differences_is_cut() -> None:
    many = {f"public.t{number}": Table(0, "0") for number in range(12)}
    assert differences(manifest(day(1), tables=many), ("0002",), {})[10:] == ["and 2 more"]


@pytest.mark.parametrize(
    ("does", "how", "said"),
    [
        ("echo 'FATAL: too many connections' >&2; exit 2", "it ended", "FATAL: too many connections"),
        # Docker's words are where the answer would be.
        ("echo 'OCI runtime exec failed: invalid argument'; exit 126", "it ended", "OCI runtime exec failed: invalid argument"),
        ("sleep 10", "it did not answer within 0.2 s", None),
    ],
)
def test_a_session_that_ends_reports_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, how: str, said: str | None) -> None:
    monkeypatch.setattr(census, "BEGIN_SECONDS", 0.2 if "sleep" in does else 10)
    monkeypatch.setattr(census, "END_SECONDS", 0.1)
    command = ["sh", "-c", does]
    database: Any = SimpleNamespace(command=lambda *_, **__: command, name="shop", title="here")
    with fails("DB_QUERY_FAILED") as caught, census.moment(database):
        pytest.fail("it began")
    assert caught.value.what == f"the session at shop at here that reads the tables failed: {how}"
    assert caught.value.details == ([said] if said else [])
