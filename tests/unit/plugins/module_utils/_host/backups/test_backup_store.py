"""Which backups stay, which are whole, and who has them alone."""

from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import store
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from fakes import fails
from fakes_backup import day, made, manifest


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


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
    assert store.to_prune([manifest(identifier, kind) for kind, identifier in newest_first], keep) == gone


def test_pruning_takes_dump_and_manifest(paths: AppPaths) -> None:
    for number in (1, 2, 3):
        made(paths, day(number))
    made(paths, f"{day(3)}-2")
    assert store.prune(paths, 2) == [day(2), day(1)]
    assert names(paths.backups) == sorted(f"{name}.{end}" for name in (day(3), f"{day(3)}-2") for end in ("dump", "json"))


def test_only_whole_backups_count_newest_first(paths: AppPaths) -> None:
    for identifier in (day(1), f"{day(1)}-10", f"{day(1)}-2", day(2), day(3), day(4)):
        made(paths, identifier)
    store.dump_of(paths, day(2)).unlink()
    store.manifest_of(paths, day(3)).write_text("{}")
    store.manifest_of(paths, day(4)).write_text('{"schema": 99}')
    assert [found.id for found in store.manifests(paths)] == [f"{day(1)}-10", f"{day(1)}-2", day(1)]


def test_what_a_killed_run_left_is_removed_unless_one_is_under_way(paths: AppPaths) -> None:
    store.clear_partial(paths)  # there is no directory yet
    made(paths, day(1))
    left = [f".{day(2)}.partial", f"{day(2)}.dump"]
    for name in left:
        (paths.backups / name).touch()
    (paths.backups / "notes.dump").touch()  # somebody's own
    with store.alone(paths):
        store.clear_partial(paths)
        assert set(left) < set(names(paths.backups))
    store.clear_partial(paths)
    assert names(paths.backups) == [f"{day(1)}.dump", f"{day(1)}.json", "notes.dump"]


def test_a_wait_that_times_out_names_what_it_waited_for(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "WAIT_SECONDS", 0)
    paths.backups.mkdir()
    with fails("BACKUP_FAILED"), store.alone(paths), store.alone(paths):
        raise AssertionError("two have the lock")
    with fails("BACKUP_FAILED"), store.alone(paths, busy=lambda: True):
        raise AssertionError("a migration is under way")
