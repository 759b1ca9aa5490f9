"""Second stage of a deploy: a migration that fails leaves the live release as it was."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils import _docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._command import CommandTimeout, Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import MASK
from ansible_collections.fairlead.fastapi.plugins.modules.release_migrate import migrate
from fakes import fails, service
from fakes_host import SECRET, Host

MIGRATED = "Running upgrade 0001 -> 0002"


@pytest.fixture
def ready_to_migrate(host: Host) -> Host:
    """`r1` serves, `r2` is prepared by this run."""
    host.serves("v1")
    host.holds("run1", release=host.prepared("v2"))
    host.engine.told.clear()
    return host


def test_its_output_is_kept_and_its_container_is_not(ready_to_migrate: Host) -> None:
    host = ready_to_migrate
    host.engine.compose_leaves = Finished(0, f"{MIGRATED}\nconnected with {SECRET}\n", "")
    result = migrate(host.stage(release="r2"))
    assert result == {"changed": True, "output": [MIGRATED, f"connected with {MASK}"]}
    assert host.engine.told == ["compose run shop-r2", "remove shop-r2-migrate"]
    assert (host.live, host.record("r2")["status"]) == ("r1", "prepared")
    assert host.phases[-2:] == ["MIGRATING", "MIGRATED"]
    assert host.entry["expires"] > host.clock.now, "the run goes on"


def test_a_failure_removes_the_release_and_ends_the_run(ready_to_migrate: Host) -> None:
    host = ready_to_migrate
    host.engine.compose_leaves = Finished(1, f"{MIGRATED}\nDivisionByZero, password {SECRET}\n", "")
    with fails("MIGRATION_FAILED") as caught:
        migrate(host.stage(release="r2"))
    assert caught.value.message.splitlines()[-2:] == [f"  {MIGRATED}", f"  DivisionByZero, password {MASK}"]
    assert (host.record("r2")["status"], host.record("r2")["reason"]) == ("failed", "MIGRATION_FAILED")
    assert not host.paths.bundle("r2").exists()
    assert (host.live, host.engine.present["r1"]["State"]["Running"]) == ("r1", True)
    assert (host.phases[-2:], host.entry["code"]) == (["MIGRATING", "ABORTED"], "MIGRATION_FAILED")
    assert SECRET not in str(host.entry)


def test_a_migration_that_hangs_is_ended(ready_to_migrate: Host) -> None:
    host = ready_to_migrate
    host.engine.failing["compose run"] = CommandTimeout("COMMAND_TIMEOUT", "", "", ["waiting for a lock"])
    with fails("MIGRATION_TIMEOUT") as caught:
        migrate(host.stage(release="r2"))
    assert "within 600 s" in caught.value.what
    assert caught.value.details == ["waiting for a lock"]
    assert "remove shop-r2-migrate" in host.engine.told, "ending the client does not end the container"
    assert (host.record("r2")["reason"], host.unfinished) == ("MIGRATION_TIMEOUT", False)


def test_who_holds_the_lock_that_it_waited_for_is_told(ready_to_migrate: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host = ready_to_migrate
    host.engine.projects["shop-data"] = [service("shop-data", "redis"), service("shop-data", "postgres")]
    asked: list[str] = []

    def execute(identifier: str, *_: object) -> list[str]:
        asked.append(identifier)
        return ["pid 7, idle in transaction"]

    monkeypatch.setattr(_docker, "execute", execute)
    host.engine.compose_leaves = Finished(1, "LockNotAvailable: canceling statement due to lock timeout\n", "")
    with fails("MIGRATION_LOCK") as caught:
        migrate(host.stage(release="r2"))
    assert asked == ["container-postgres"]
    assert caught.value.details[-2:] == ["open transactions in the database:", "  pid 7, idle in transaction"]
    assert "end that session" in caught.value.todo


def test_without_the_lease_nothing_runs(ready_to_migrate: Host) -> None:
    host = ready_to_migrate
    with fails("LEASE_LOST"):
        host.clock.now += 61
        migrate(host.stage(release="r2", run="run2"))
    assert (host.engine.told, host.entry["run"]) == ([], "run1")


def test_check_mode_runs_nothing(ready_to_migrate: Host) -> None:
    host = ready_to_migrate
    before = host.files()
    assert migrate(host.stage(check_mode=True, release="r2")) == {"changed": True, "output": []}
    assert (host.files(), host.engine.told) == (before, [])
