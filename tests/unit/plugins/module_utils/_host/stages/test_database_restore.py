"""A restore: what is refused before anything is touched, what is told, and when users can be let in again."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import backup, backup_volumes, lookup, volume_restore
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import restore as _restore
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest, Table
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import database_copy
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages.database_restore import run as restore
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from fakes import BUSY, fails, good
from fakes_backup import copied, manifest
from fakes_host import Host

DATABASE = Database("shop", "shop", "postgres", "shop_migrator", "shop-data-postgres-1", container="c1")
BACKUP = manifest("20260131T020000Z", revision=["0001"], tables={"public.items": Table(3, "17")})
FILES = manifest("20260131T020000Z", database=None, revision=[], bytes=0, tables={}, volumes=[copied()])
PRESENT = manifest("20260201T100000Z", "restore", revision=["0001"], tables={"public.items": Table(5, "18")})
KEPT = "shop_before_20260201t100001z"


@pytest.fixture
def done(host: Host, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done to the database, in order; there is a backup, and the live database."""
    doings: list[str] = []
    host.paths.backups.mkdir()

    @contextmanager
    def restored(*_: object) -> Iterator[_restore.Restored]:
        doings.append("restore")
        yield _restore.Restored("shop_restore", ["CREATE EXTENSION x: permission denied"])

    def take(*_: object) -> Manifest:
        doings.append("backup")
        return PRESENT

    def swap(*_: object) -> tuple[str, list[str]]:
        doings.append("swap")
        return KEPT, ["shop_before_20260101t000000z"]

    monkeypatch.setattr(backup, "take", take)
    monkeypatch.setattr(lookup, "require_database", lambda _: DATABASE)
    monkeypatch.setattr(lookup, "obtain", lambda *_, **__: BACKUP)
    monkeypatch.setattr(_restore, "require_space", lambda *_: None)
    monkeypatch.setattr(_restore, "restored", restored)
    monkeypatch.setattr(_restore, "swap", swap)
    monkeypatch.setattr(database_copy, "exists", lambda _, name: name in ("shop", "shop_taken"))
    monkeypatch.setattr(_restore, "rename", lambda *_: doings.append("rename"))
    return doings


def test_what_is_replaced_is_backed_up_first(host: Host, done: list[str]) -> None:
    host.serves("v1")
    host.answers.direct = [good("r1")]
    result = restore(host.stage(backup="", installation="", into=""))
    assert done == ["backup", "restore", "swap"]
    assert host.engine.told == ["restart container-r1"], "its pool has connections to the database that was replaced"
    told = {key: result[key] for key in ("backup", "rows", "rows_before", "replaced", "kept", "ready", "maintenance")}
    assert told == {
        "backup": BACKUP.id,
        "rows": 3,
        "rows_before": 5,
        "replaced": PRESENT.id,
        "kept": KEPT,
        "ready": True,
        "maintenance": "off",
    }
    text = "\n".join(result["message"])
    for words in (
        "as it was at 2026-01-31T02:00:00Z",
        "everything written after",
        f"{PRESENT.id}",
        KEPT,
        "shop_before_20260101t000000z",
        "Left out, as the owner of the schema may not make it: CREATE EXTENSION x",
    ):
        assert words in text


def test_with_nothing_live_users_miss_nothing(host: Host, done: list[str]) -> None:
    assert restore(host.stage(backup="", installation="", into=""))["maintenance"] == "off"


def test_users_stay_out_while_the_release_cannot_live_with_it(host: Host, done: list[str]) -> None:
    host.serves("v1", "v2")
    host.answers.direct = [BUSY]
    result = restore(host.stage(backup="", installation="", into=""))
    assert (result["ready"], result["maintenance"]) == (False, "on")
    text = "\n".join(result["message"])
    assert "r2 is not ready with it: NOT_READY" in text and "the backup is at 0001" in text
    assert "-e release=r1 -e schema=keep" in text and "-e maintenance=off" in text


@pytest.mark.parametrize(("into", "code"), [("Shop-2", "CONFIG"), ("shop_taken", "CONFIG"), ("shop", "CONFIG"), ("shop_look", None)])
def test_beside_the_live_database(host: Host, done: list[str], into: str, code: str | None) -> None:
    if code:
        with fails(code):
            restore(host.stage(backup="", installation="", into=into))
        assert not done
    else:
        result = restore(host.stage(backup="", installation="", into=into))
        assert done == ["restore", "rename"] and (result["maintenance"], result["replaced"]) == ("off", None)


@pytest.fixture
def without_database(host: Host, done: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done; the app has volumes and no database, and so has its backup."""

    @contextmanager
    def beside(*_: object) -> Iterator[list[str]]:
        done.append("extract")
        yield ["data"]

    def swap(*_: object) -> list[str]:
        done.append("exchange")
        return []

    monkeypatch.setattr(lookup, "database_of", lambda _: None)
    monkeypatch.setattr(lookup, "obtain", lambda *_, **__: FILES)
    monkeypatch.setattr(backup_volumes, "to_copy", lambda *_: ["data"])
    monkeypatch.setattr(volume_restore, "require_space", lambda *_: None)
    monkeypatch.setattr(volume_restore, "beside", beside)
    monkeypatch.setattr(volume_restore, "swap", swap)
    return done


def test_without_a_database_the_volumes_are_restored(host: Host, without_database: list[str]) -> None:
    result = restore(host.stage(backup="", installation="", into=""))
    assert without_database == ["backup", "extract", "exchange"]
    assert (result["rows"], result["replaced"], result["kept"]) == (0, PRESENT.id, "")
    assert "3 files and directories, compared with the manifest" in result["message"][0]
    assert f"What was replaced is the backup {PRESENT.id}" in result["message"]


def test_without_a_database_there_is_nothing_to_restore_beside(host: Host, without_database: list[str]) -> None:
    with fails("CONFIG"):
        restore(host.stage(backup="", installation="", into="shop_look"))
    assert not without_database


def test_in_check_mode_nothing_is_done(host: Host, done: list[str]) -> None:
    assert restore(host.stage(check_mode=True, backup="", installation="", into=""))["changed"] is True
    assert not done


def test_when_it_fails_the_live_database_stays(host: Host, done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def restored(*_: object) -> Iterator[str]:
        raise ReleaseError("RESTORE_FAILED", "public.items has 2 rows", "restore another one")
        yield ""

    monkeypatch.setattr(_restore, "restored", restored)
    with fails("RESTORE_FAILED"):
        restore(host.stage(backup="", installation="", into=""))
    assert done == ["backup"]
