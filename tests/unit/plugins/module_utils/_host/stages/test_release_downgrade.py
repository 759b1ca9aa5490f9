"""Stage of a rollback: migrations are undone by the image that brought them, after a backup."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages.release_downgrade import run as downgrade
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import MASK, ReleaseError
from fakes import fails
from fakes_database import BACKUP, migration
from fakes_host import SECRET, Host

WANTED = {"by": "r2", "to": "0002", "revision": ["0003"]}


@pytest.fixture
def going_back(host: Host) -> Host:
    """`r2` serves with its migration, and this run goes back to `r1`."""
    host.serves("v1")
    host.migrates("v2", migration("0003", "0002", impact="contract"))
    host.holds("run1", release="r1")
    host.engine.told.clear()
    return host


def run(host: Host, **params: Any) -> dict[str, Any]:
    return downgrade(host.stage(**{"release": "r1", "downgrade": WANTED, **params}))


def test_it_is_backed_up_and_undone_by_the_newer_image(going_back: Host) -> None:
    host = going_back
    host.engine.compose_leaves = Finished(0, f"Running downgrade 0003 -> 0002\nwith {SECRET}\n", "")
    result = run(host)
    assert result == {"changed": True, "output": ["Running downgrade 0003 -> 0002", f"with {MASK}"], "backup": BACKUP}
    assert host.engine.told == ["backup for a migration, of r2", "compose run shop-r2", "end sessions of shop_migrator"]
    assert (host.database.revision, host.live) == (["0002"], "r2")
    assert host.phases[-3:] == ["BACKED_UP", "MIGRATING", "MIGRATED"]
    assert host.leased


@pytest.mark.parametrize("code", ["BACKUP_FAILED", "DISK_SPACE"])
def test_without_a_backup_nothing_is_undone(going_back: Host, code: str) -> None:
    host = going_back
    host.engine.failing["backup"] = ReleaseError(code, "", "")
    with fails(code):
        run(host)
    assert (host.database.revision, host.live, host.statuses()) == (["0003"], "r2", {"r1": "kept", "r2": "live"})


def test_a_failure_leaves_the_live_release(going_back: Host) -> None:
    host = going_back
    host.engine.compose_leaves = Finished(1, "NotImplementedError\n", "")
    with fails("MIGRATION_FAILED") as caught:
        run(host)
    assert "the database is at 0003, as before" in caught.value.details
    assert (host.live, host.statuses(), host.unfinished) == ("r2", {"r1": "kept", "r2": "live"}, False)
    assert host.paths.bundle("r1").is_dir()


def test_one_that_ends_well_elsewhere_has_failed(going_back: Host) -> None:
    host = going_back
    host.engine.alembic.runs = lambda command: None  # type: ignore[method-assign]
    with fails("DOWNGRADE_FAILED") as caught:
        run(host)
    assert "is at 0003 instead of 0002" in caught.value.what
    assert f"-e backup={BACKUP}" in caught.value.todo


def test_a_database_that_moved_meanwhile_is_left_alone(going_back: Host) -> None:
    host = going_back
    host.database.revision = ["0004"]
    with fails("REVISION_CONFLICT"):
        run(host)
    assert (host.engine.told, host.database.revision) == ([], ["0004"])


def test_check_mode_undoes_nothing(going_back: Host) -> None:
    host = going_back
    before = host.files()
    assert run(host, check_mode=True) == {"changed": True, "output": [], "backup": None}
    assert (host.files(), host.engine.told) == (before, [])
