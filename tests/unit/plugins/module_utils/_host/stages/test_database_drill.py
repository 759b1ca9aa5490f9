"""A drill proves a backup, and its outcome is what status tells; a backup by hand is one like the others."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import backup, lookup, outcomes, restore
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest, Table
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages.database_backup import run as back_up
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages.database_drill import run as drill
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from fakes import fails
from fakes_backup import manifest
from fakes_host import Host

DATABASE = Database("shop", "shop", "postgres", "shop_migrator", "shop-data-postgres-1", container="c1")
BACKUP = manifest("20260131T020000Z", revision=["0001"], tables={"public.items": Table(3, "17")})


@pytest.fixture
def proved(host: Host, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the backups that were restored and compared."""
    ids: list[str] = []
    host.paths.backups.mkdir()

    @contextmanager
    def restored(_: object, __: object, of: Manifest, what: str) -> Iterator[restore.Restored]:
        ids.append(of.id)
        assert what == "drill"
        yield restore.Restored("shop_drill", ["CREATE EXTENSION x: permission denied"])

    monkeypatch.setattr(lookup, "require_database", lambda _: DATABASE)
    monkeypatch.setattr(lookup, "obtain", lambda *_, **__: BACKUP)
    monkeypatch.setattr(restore, "require_space", lambda *_: None)
    monkeypatch.setattr(restore, "restored", restored)
    return ids


def test_a_drill_reports_what_it_proved(host: Host, proved: list[str]) -> None:
    result = drill(host.stage(backup=""))
    assert (proved, result["changed"], result["rows"], result["bytes"]) == ([BACKUP.id], False, 3, 4)
    assert "3 rows in 1 tables at 0001, 4 bytes" in result["message"]
    assert "Left out, as the owner of the schema may not make it: CREATE EXTENSION x" in result["message"]
    assert outcomes.outcomes(host.paths)["drill"]["backup"] == BACKUP.id


def test_in_check_mode_nothing_is_restored(host: Host, proved: list[str]) -> None:
    assert drill(host.stage(check_mode=True, backup=""))["backup"] == BACKUP.id
    assert not proved and not outcomes.outcomes(host.paths)


def test_a_drill_that_fails_is_remembered(host: Host, proved: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    drill(host.stage(backup=""))

    def obtain(*_: object, **__: object) -> None:
        raise ReleaseError("BACKUP_DAMAGED", "its checksum differs", "restore another one")

    monkeypatch.setattr(lookup, "obtain", obtain)
    with fails("DRILL_FAILED"):
        drill(host.stage(backup=""))
    assert outcomes.outcomes(host.paths)["proof"]["backup"] == BACKUP.id, "what was proved before stays proved"
    assert "BACKUP_DAMAGED: its checksum differs" in (outcomes.problem(host.paths) or "")


def test_one_drill_at_a_time(host: Host, proved: list[str]) -> None:
    with (host.paths.backups / "drill.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with fails("DRILL_FAILED") as caught:
            drill(host.stage(backup=""))
    assert "another drill of shop is under way" in caught.value.what
    assert not proved and not outcomes.outcomes(host.paths), "the other one says how it ended"


def test_a_backup_by_hand(host: Host, proved: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: list[str] = []

    def take(_: object, __: object, kind: str) -> Manifest:
        kinds.append(kind)
        return BACKUP

    monkeypatch.setattr(backup, "take", take)
    assert back_up(host.stage(check_mode=True))["backup"] is None and not kinds
    assert back_up(host.stage())["backup"] == BACKUP.told() and kinds == ["manual"]
