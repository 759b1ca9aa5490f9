"""Which backups stay, which are whole, and what is told of them."""

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils import (
    _backup,
    _backup_offsite,
    _backup_program,
    _backup_restore,
    _backup_state,
    _backup_store,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._backup_census import all_rows, differences
from ansible_collections.fairlead.fastapi.plugins.module_utils._database import Database
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._state import write_state
from fakes import fails

DATABASE = Database("shop", "shop", "postgres", "shop_migrator", "shop-data-postgres-1", container="c1")
TABLES = {"public.items": {"rows": 3, "checksum": "17"}, "public.users": {"rows": 1, "checksum": "-4"}}


def manifest(identifier: str, kind: str = "scheduled", **changes: Any) -> dict[str, Any]:
    whole = {
        "id": identifier,
        "kind": kind,
        "database": "shop",
        "revision": ["0002"],
        "release": "r1",
        "sha256": "",
        "bytes": 4,
        "database_bytes": 9,
        "seconds": 0.5,
        "at": "2026-01-31T02:00:00Z",
        "server_version": "17.2",
        "tables": TABLES,
    }
    return {**whole, **changes}


def made(paths: AppPaths, identifier: str, kind: str = "scheduled", content: bytes = b"dump") -> str:
    """Have a backup on the host, and return its id."""
    paths.backups.mkdir(exist_ok=True)
    dump = _backup_store.dump_of(paths, identifier)
    dump.write_bytes(content)
    write_state(
        _backup_store.manifest_of(paths, identifier), manifest(identifier, kind, sha256=_backup_store.sha256(dump), bytes=len(content))
    )
    return identifier


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def day(number: int) -> str:
    return f"202601{number:02}T020000Z"


SCHEDULED = [("scheduled", day(number)) for number in range(20, 0, -1)]
MANUAL = [("manual", day(number)) for number in range(20, 12, -1)]


@pytest.mark.parametrize(
    ("newest_first", "keep", "gone"),
    [
        ([], 14, []),
        (SCHEDULED[:3], 14, []),
        (SCHEDULED, 18, [day(2), day(1)]),
        # The newest stays whatever was set.
        (SCHEDULED[:2], 0, [day(19)]),
        # Each other kind has its own five, and takes nothing from the scheduled ones.
        (MANUAL, 1, [day(15), day(14), day(13)]),
        ([*MANUAL[:4], ("upgrade", day(9)), *SCHEDULED[12:14]], 1, [day(7)]),
    ],
)
def test_what_goes(newest_first: list[tuple[str, str]], keep: int, gone: list[str]) -> None:
    assert _backup_store.to_prune([manifest(identifier, kind) for kind, identifier in newest_first], keep) == gone


def test_pruning_takes_dump_and_manifest(paths: AppPaths) -> None:
    for number in (1, 2, 3):
        made(paths, day(number))
    made(paths, f"{day(3)}-2")
    assert _backup_store.prune(paths, 2) == [day(2), day(1)]
    assert names(paths.backups) == sorted(f"{name}.{end}" for name in (day(3), f"{day(3)}-2") for end in ("dump", "json"))


def test_only_whole_backups_count_newest_first(paths: AppPaths) -> None:
    for identifier in (day(1), f"{day(1)}-10", f"{day(1)}-2", day(2), day(3), day(4)):
        made(paths, identifier)
    _backup_store.dump_of(paths, day(2)).unlink()
    _backup_store.manifest_of(paths, day(3)).write_text("{}")
    _backup_store.manifest_of(paths, day(4)).write_text('{"schema": 99}')
    assert [found["id"] for found in _backup_store.manifests(paths)] == [f"{day(1)}-10", f"{day(1)}-2", day(1)]


def test_what_a_killed_run_left_is_removed_unless_one_is_under_way(paths: AppPaths) -> None:
    _backup_store.clear_partial(paths)  # there is no directory yet
    made(paths, day(1))
    left = [f".{day(2)}.partial", f"{day(2)}.dump"]
    for name in left:
        (paths.backups / name).touch()
    (paths.backups / "notes.dump").touch()  # somebody's own
    with _backup_store.alone(paths):
        _backup_store.clear_partial(paths)
        assert set(left) < set(names(paths.backups))
    _backup_store.clear_partial(paths)
    assert names(paths.backups) == [f"{day(1)}.dump", f"{day(1)}.json", "notes.dump"]


def test_who_waits_too_long_is_told_for_what(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_backup_store, "WAIT_SECONDS", 0)
    paths.backups.mkdir()
    with fails("BACKUP_FAILED"), _backup_store.alone(paths), _backup_store.alone(paths):
        raise AssertionError("two have the lock")
    with fails("BACKUP_FAILED"), _backup_store.alone(paths, busy=lambda: True):
        raise AssertionError("a migration is under way")


def test_a_backup_that_cannot_begin_is_recorded(paths: AppPaths) -> None:
    paths.backups.touch()
    with fails("BACKUP_FAILED") as caught:
        _backup.take(paths, DATABASE, "manual")
    assert "File exists" in caught.value.what


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
    assert _backup.list_problem(code, listing, tables) == problem


FAILED = {"ok": False, "at": "2026-01-31T02:00:00Z", "code": "DISK_SPACE", "what": "4 MB are free"}
FINE = {"ok": True, "at": "2026-01-31T02:00:00Z"}


@pytest.mark.parametrize(
    ("outcomes", "any_there", "hours", "oldest", "said"),
    [
        ({}, True, 400, None, None),  # nobody wants any
        ({"scheduled": FINE}, True, 49, 50, None),
        ({"scheduled": FINE}, True, 51, 50, "the newest backup is 51 hours old"),
        ({}, False, 51, 50, "no backup was made in 51 hours"),
        ({"scheduled": FAILED}, True, 51, 50, "the last scheduled backup failed at 2026-01-31T02:00:00Z: DISK_SPACE: 4 MB are free"),
        ({"scheduled": FINE, "offsite": FAILED}, True, 1, 50, "the last copy off this host failed at"),
        ({"scheduled": FINE, "drill": FAILED}, True, 1, 50, "the last restore drill failed at"),
        ({"migration": FAILED}, True, 1, 50, None),  # that deploy failed, and said so
    ],
)
def test_what_status_tells(outcomes: dict[str, Any], any_there: bool, hours: float, oldest: float | None, said: str | None) -> None:
    told = _backup_state.judged(outcomes, any_there, hours, oldest)
    assert told == said if said is None else (told or "").startswith(said)


def test_outcomes_are_kept_by_kind(paths: AppPaths) -> None:
    made(paths, day(1))
    _backup_state.record(paths, "scheduled", ReleaseError("BACKUP_FAILED", "why", "do"))
    _backup_state.record(paths, "drill", backup=day(1), seconds=2.5)
    told = _backup_state.state(paths)
    assert (told["newest"]["id"], "tables" in told["newest"], told["count"]) == (day(1), False, 1)
    assert told["outcomes"]["drill"]["seconds"] == 2.5
    assert told["problem"].endswith("BACKUP_FAILED: why")


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


@pytest.fixture
def offsite(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Copies off the host, by id; fetched, they lie on it."""
    there: dict[str, str] = {}

    class Fake:
        @staticmethod
        def of(_: AppPaths) -> "Fake":
            return Fake()

        def newest(self) -> str | None:
            return max(there, default=None)

        def has(self, identifier: str) -> bool:
            return identifier in there

        def fetch(self, _: AppPaths, identifier: str) -> None:
            made(paths, identifier)

    monkeypatch.setattr(_backup_restore, "Offsite", Fake)
    return there


@pytest.mark.parametrize(
    ("local", "copies", "wanted", "found"),
    [
        ([("scheduled", 1), ("manual", 2)], [], "", day(2)),
        # What an earlier restore replaced is not what anybody means by the newest.
        ([("scheduled", 1), ("restore", 2)], [], "", day(1)),
        ([("scheduled", 1), ("restore", 2)], [], day(2), day(2)),
        ([("scheduled", 2)], [day(1)], day(1), day(1)),
        ([], [day(1), day(2)], "", day(2)),
        ([("scheduled", 1)], [], day(2), "BACKUP_UNKNOWN"),
        ([], [], "", "BACKUP_UNKNOWN"),
        ([], [], "../ledger", "BACKUP_UNKNOWN"),
    ],
)
def test_which_backup_is_meant(
    paths: AppPaths, offsite: dict[str, str], local: list[tuple[str, int]], copies: list[str], wanted: str, found: str
) -> None:
    for kind, number in local:
        made(paths, day(number), kind)
    offsite.update(dict.fromkeys(copies, ""))
    if found == "BACKUP_UNKNOWN":
        with fails(found):
            _backup_restore.obtain(paths, wanted)
    else:
        assert _backup_restore.obtain(paths, wanted)["id"] == found


def test_looking_fetches_nothing(paths: AppPaths, offsite: dict[str, str]) -> None:
    offsite[day(1)] = ""
    assert _backup_restore.obtain(paths, "", fetch=False) == {"id": day(1)}
    assert not paths.backups.exists()


@pytest.mark.parametrize("broken", ["dump", "shorter", "manifest"])
def test_a_damaged_backup_is_refused(paths: AppPaths, offsite: dict[str, str], broken: str) -> None:
    made(paths, day(1))
    if broken == "manifest":
        _backup_store.manifest_of(paths, day(1)).write_text("{}")
    else:
        _backup_store.dump_of(paths, day(1)).write_bytes(b"dunp" if broken == "dump" else b"dum")
    with fails("BACKUP_DAMAGED"):
        _backup_restore.obtain(paths, day(1))


@pytest.mark.parametrize(
    ("name", "identifier", "restored"),
    [
        ("shop", day(1), "shop_restore_20260101t020000z"),
        ("shop", f"{day(1)}-2", "shop_restore_20260101t020000z_2"),
        ("s" * 63, day(1), "s" * 38 + "_restore_20260101t020000z"),
    ],
)
def test_names_of_databases_fit(name: str, identifier: str, restored: str) -> None:
    database = Database("shop", name, "postgres", None, "here", container="c1")
    assert _backup_restore._named(database, "restore", identifier) == restored
    assert len(restored) <= _backup_restore.NAME_BYTES


def test_copies_are_found_by_the_backups_id() -> None:
    snapshots = [
        {"id": "s1", "paths": [f"/b/{day(1)}.dump", f"/b/{day(1)}.json"]},
        {"id": "s2", "paths": ["/etc"]},
        {"id": "s3", "paths": [f"/b/{day(2)}.dump"]},
    ]
    assert _backup_offsite.copies(snapshots) == {day(1): ("s1", "/b"), day(2): ("s3", "/b")}


@pytest.fixture
def scheduled(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> AppPaths:
    """A host where backups succeed and go off it."""
    folder = _backup_state.settings_file(paths).parent
    folder.mkdir()
    _backup_state.settings_file(paths).write_text(
        '{"keep": 1, "oldest_hours": 50, "restic": {"repository": "/repo", "keep": {"daily": 2}}}'
    )
    (folder / "restic_environment.json").write_text('{"AWS_SECRET_ACCESS_KEY": "hidden-key"}')
    (folder / "restic_password").write_text("hidden-word")
    monkeypatch.setattr(_backup_program, "find_database", lambda _: DATABASE)
    monkeypatch.setattr(_backup, "take", lambda paths, _, kind: manifest(made(paths, day(9), kind)))
    monkeypatch.setattr(_backup_offsite.Offsite, "copy", lambda *_: None)
    return paths


def test_a_scheduled_backup_is_kept_few_and_copied(scheduled: AppPaths) -> None:
    made(scheduled, day(1))
    told = _backup_program.back_up(scheduled)
    assert (told["ok"], told["id"], told["removed"], told["offsite"]) == (True, day(9), [day(1)], "/repo")
    assert _backup_state.outcomes(scheduled)["offsite"]["backup"] == day(9)


def test_a_copy_that_fails_does_not_keep_old_backups(scheduled: AppPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def copy(self: _backup_offsite.Offsite, *_: object) -> None:
        raise self._failed(["backup"], "failed with exit code 1", "Fatal: hidden-key is wrong\nand hidden-word")

    monkeypatch.setattr(_backup_offsite.Offsite, "copy", copy)
    made(scheduled, day(1))
    told = _backup_program.back_up(scheduled)
    assert (told["ok"], told["removed"], told["offsite"]) == (False, [day(1)], None)
    assert told["failures"][0]["details"] == ["Fatal: ******** is wrong", "and ********"]
    assert "OFFSITE_FAILED" in (_backup_state.problem(scheduled) or "")
    _backup_state.settings_file(scheduled).write_text('{"keep": 1, "oldest_hours": 50, "restic": null}')
    assert _backup_program.back_up(scheduled)["ok"]
    assert "OFFSITE_FAILED" not in (_backup_state.problem(scheduled) or "")


def test_without_a_database_it_fails_and_says_so(
    scheduled: AppPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_backup_program, "find_database", lambda _: None)
    monkeypatch.setattr(_backup_program, "AppPaths", lambda _: scheduled)
    scheduled.backups.mkdir()
    assert _backup_program.main(["--app", "shop"]) == 1
    assert "DB_UNREACHABLE" in capsys.readouterr().out
    assert "DB_UNREACHABLE" in (_backup_state.problem(scheduled) or "")
