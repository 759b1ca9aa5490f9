"""Volumes in backups: copied beside the dump, proved, brought back by one exchange, and gone with the backup."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import backup_volumes, store, volume_restore
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import offsite as _offsite
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.state import previous_of, write_state
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes import volume_copy
from fakes import fails
from fakes_backup import copied, day, made, manifest
from fakes_host import Host, settings_with

ID = day(1)
DATA = {"name": "data", "path": "/data", "backup": True}


@pytest.fixture
def data(host: Host) -> Path:
    """The files of the live release's volume."""
    host.serves("v1", settings=settings_with(volumes=[DATA, {"name": "cache", "path": "/cache"}]))
    for name in ("data", "cache"):
        host.engine.create_volume(f"shop-{name}", "shop")
    place = Path(host.engine.volumes["shop-data"]["Mountpoint"])
    (place / "kept").write_text("precious")
    host.paths.backups.mkdir()
    host.engine.told.clear()
    return place


def taken(paths: AppPaths, kind: str = "manual") -> Manifest:
    """Have a backup with its volumes, and return its manifest."""
    made(paths, ID)
    return manifest(ID, kind, volumes=backup_volumes.take(paths, ID, kind))


def beside(place: Path) -> list[str]:
    return sorted(path.name for path in place.parent.iterdir())


def test_only_what_is_to_be_backed_up_is_copied(host: Host, data: Path) -> None:
    (volume,) = taken(host.paths).volumes
    archive = host.paths.backups / f"{ID}.data.tar.gz"
    assert (volume.name, volume.file, volume.bytes) == ("data", archive.name, archive.stat().st_size)
    assert (volume.entries, volume.unsteady, volume.skipped) == (2, [], 0)
    assert [path.name for path in store.volume_archives(host.paths, ID)] == [archive.name]
    assert not list(host.paths.backups.glob(".*"))


def test_without_a_live_release_there_is_nothing_to_copy(paths: AppPaths) -> None:
    assert backup_volumes.take(paths, ID, "manual") == []


def test_a_copy_that_does_not_end_leaves_nothing(host: Host, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends_early(top: Path, archive: Path) -> None:
        archive.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(archive))

    monkeypatch.setattr(volume_copy, "pack", ends_early)
    with pytest.raises(OSError, match="No space left"):
        backup_volumes.take(host.paths, ID, "manual")
    backup_volumes.remove(host.paths, ID)
    assert list(host.paths.backups.iterdir()) == []


def test_a_lost_volume_fails_a_backup_and_does_not_keep_anybody_from_restoring(host: Host, data: Path) -> None:
    del host.engine.volumes["shop-data"]
    with fails("BACKUP_FAILED") as caught:
        backup_volumes.take(host.paths, ID, "scheduled")
    assert "shop-data" in caught.value.what
    assert backup_volumes.take(host.paths, ID, "restore") == []


def with_command(host: Host, code: int, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Have a volume with a command of its own, which ends with this code, and return the commands that are run."""
    ran: list[list[str]] = []

    def run(arguments: list[str], *_: object, **__: object) -> Finished:
        ran.append(arguments)
        return Finished(code, "database is locked", "")

    monkeypatch.setattr(backup_volumes, "run", run)
    host.serves("v2", settings=settings_with(volumes=[{**DATA, "before_backup": ["app", "snapshot"]}]))
    return ran


def test_the_app_writes_a_snapshot_first(host: Host, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = with_command(host, 0, monkeypatch)
    assert taken(host.paths).volumes
    assert ran == [["docker", "exec", "container-r2", "app", "snapshot"]]


def test_a_snapshot_that_fails_fails_the_backup_and_no_restore(host: Host, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_command(host, 1, monkeypatch)
    with fails("BACKUP_FAILED") as caught:
        backup_volumes.take(host.paths, ID, "manual")
    assert caught.value.details == ["database is locked"]
    assert backup_volumes.take(host.paths, ID, "restore")


def test_a_full_disk_is_reported_before_anything_is_written(host: Host, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_volumes, "free_bytes", lambda directory: 0)
    with fails("DISK_SPACE"):
        backup_volumes.take(host.paths, ID, "manual")
    assert list(host.paths.backups.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda archive: archive.unlink(),
        lambda archive: archive.write_bytes(archive.read_bytes()[:-1] + b"?"),
        lambda archive: archive.write_bytes(b""),
    ],
)
def test_a_damaged_archive_is_refused(host: Host, data: Path, damage: Callable[[Path], object]) -> None:
    whole = taken(host.paths)
    backup_volumes.require_whole(host.paths, whole)
    damage(host.paths.backups / f"{ID}.data.tar.gz")
    with fails("BACKUP_DAMAGED"):
        backup_volumes.require_whole(host.paths, whole)


@pytest.mark.parametrize("name", ["../x", "a/b", "", "A", "."])
def test_a_manifest_names_no_other_file(host: Host, data: Path, name: str) -> None:
    with fails("BACKUP_DAMAGED"):
        backup_volumes.require_whole(host.paths, manifest(ID, volumes=[copied(name)]))


def test_a_restore_exchanges_the_files_while_nothing_runs(host: Host, data: Path) -> None:
    whole = taken(host.paths)
    (data / "kept").write_text("changed since")
    (data / "later").touch()
    with volume_restore.beside(host.paths, whole) as restored:
        assert (data / "kept").read_text() == "changed since", "the live files are untouched until then"
        (said,) = volume_restore.swap(host.paths, restored)
    assert (data / "kept").read_text() == "precious" and not (data / "later").exists()
    kept = next(name for name in beside(data) if name.startswith("fairlead-before-"))
    assert beside(data) == ["_data", kept] and (data.with_name(kept) / "later").exists()
    assert kept in said
    assert host.engine.told == ["stop container-r1", "start container-r1"]
    assert host.engine.present["r1"]["State"]["Running"]


def test_the_files_from_before_are_kept_until_the_next_restore(host: Host, data: Path) -> None:
    whole = taken(host.paths)
    (data.with_name("fairlead-before-20260101T000000Z")).mkdir()
    (data.with_name("fairlead-restore-killed") / "half").mkdir(parents=True)
    with volume_restore.beside(host.paths, whole) as restored:
        volume_restore.swap(host.paths, restored)
    assert len(beside(data)) == 2 and "fairlead-before-20260101T000000Z" not in beside(data)


def test_a_lost_volume_is_made_again_and_its_release_started(host: Host, data: Path) -> None:
    whole = taken(host.paths)
    host.engine.volumes.clear()
    del host.engine.present["r1"]
    host.engine.volume_root = host.engine.volume_root / "new disk"
    with volume_restore.beside(host.paths, whole) as restored:
        volume_restore.swap(host.paths, restored)
    place = Path(host.engine.volumes["shop-data"]["Mountpoint"])
    assert (place / "kept").read_text() == "precious"
    assert host.engine.present["r1"]["State"]["Running"]


def test_a_restore_that_fails_leaves_the_live_files_and_nothing_else(host: Host, data: Path) -> None:
    whole = taken(host.paths)
    whole = replace(whole, volumes=[replace(whole.volumes[0], content="another")])
    with fails("RESTORE_FAILED"), volume_restore.beside(host.paths, whole):
        raise AssertionError("it does not hold what the manifest says")
    assert beside(data) == ["_data"] and (data / "kept").read_text() == "precious"
    assert host.engine.told == []


def test_a_file_system_that_cannot_exchange_is_known_before_anything_is_stopped(
    host: Host, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Path) -> None:
        raise OSError(22, "Invalid argument")

    whole = taken(host.paths)
    monkeypatch.setattr(volume_restore, "_exchange", refuse)
    with fails("RESTORE_FAILED"), volume_restore.beside(host.paths, whole):
        raise AssertionError("it cannot be exchanged")
    assert (data / "kept").read_text() == "precious" and host.engine.told == []


def test_a_drill_proves_the_copies_and_leaves_nothing(host: Host, data: Path) -> None:
    whole = taken(host.paths)
    before = host.files()
    volume_restore.prove(host.paths, whole)
    assert host.files() == before
    whole = replace(whole, volumes=[replace(whole.volumes[0], content="another")])
    with fails("RESTORE_FAILED"):
        volume_restore.prove(host.paths, whole)
    assert host.files() == before


def test_what_a_killed_drill_or_backup_left_is_removed(host: Host, data: Path) -> None:
    taken(host.paths)
    (host.paths.backups / ".drill.killed" / "deep").mkdir(parents=True)
    (host.paths.backups / f".{day(2)}.data.tar.gz.partial").touch()
    (host.paths.backups / f"{day(2)}.data.tar.gz").touch()
    store.clear_partial(host.paths)
    assert sorted(path.name for path in host.paths.backups.iterdir()) == [f"{ID}.data.tar.gz", f"{ID}.dump", f"{ID}.json"]


def test_copies_go_with_their_backup(host: Host, data: Path) -> None:
    taken(host.paths, "scheduled")
    made(host.paths, day(2))
    assert store.prune(host.paths, 1) == [ID]
    assert store.volume_archives(host.paths, ID) == []


def test_copies_come_back_from_off_the_host_with_their_dump(host: Host, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = taken(host.paths)
    write_state(store.manifest_of(host.paths, ID), whole.as_dict())
    previous_of(store.manifest_of(host.paths, ID)).unlink()
    files = {path.name: path.read_bytes() for path in host.paths.backups.iterdir()}
    place: dict[str, Any] = {"repository": "/repository", "password_file": Path("/none"), "installation": "shop.lab"}
    offsite = _offsite.Offsite(app="shop", environment={}, keep={}, **place)
    told: list[tuple[str, ...]] = []

    def restic(self: object, *words: str, out: Any = None, **_: object) -> str:
        told.append(words)
        if words[0] == "dump":
            out.write(files[Path(words[2]).name])
        return json.dumps([{"id": "abcdef12", "paths": [f"/old/{name}" for name in files], "tags": ["shop", "installation=shop.lab"]}])

    monkeypatch.setattr(_offsite.Offsite, "_restic", restic)
    offsite.copy(host.paths, ID)
    (copied,) = (words for words in told if words[0] == "backup")
    assert {str(host.paths.backups / name) for name in files} <= {*copied}
    for path in host.paths.backups.iterdir():
        path.unlink()
    offsite.fetch(host.paths, ID)
    assert {path.name: path.read_bytes() for path in host.paths.backups.iterdir()} == files


@pytest.mark.parametrize(("unsteady", "number"), [([], 0), (["app.db", "app.db-wal"], 1)])
def test_files_that_were_never_still_are_reported(unsteady: list[str], number: int) -> None:
    notes = backup_volumes.notes(manifest(ID, volumes=[copied(unsteady=unsteady)]))
    assert len(notes) == number and all("'app.db', 'app.db-wal'" in note for note in notes)
