"""A change of the schema: tried, ended in time, looked at afterwards, and told as it is."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import CommandTimeout, Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.migration import MigrationRun
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from fakes import fails
from fakes_database import BACKUP
from fakes_host import Host, settings_with

COMMAND = ["alembic", "upgrade", "head"]
WAITED = Finished(1, "asyncpg.exceptions.LockNotAvailableError: canceling statement due to lock timeout\n", "")
BROKE = Finished(1, "before\nDivisionByZero\n", "")
DONE = Finished(0, "Running upgrade 0002 -> 0003\n", "")


class Image:
    """Has these runs of its tool, each of which takes some seconds; the last is repeated."""

    title = "r2 (shop:v2)"
    entrypoint: ClassVar[list[str]] = []

    def __init__(self, host: Host, *runs: Finished | ReleaseError, seconds: float = 6.0, tool: str = "alembic", **settings: Any) -> None:
        self.settings = settings_with(**settings)
        self.tool = tool
        self.ran: list[list[str]] = []
        self.limits: list[float] = []
        self.began: list[float] = []
        self.does: Callable[[], None] = lambda: None
        self._host, self._runs, self._seconds = host, list(runs), seconds

    def run(self, command: list[str], seconds: float, merge: bool) -> Finished:
        self.ran.append(command)
        self.limits.append(seconds)
        self.began.append(self._host.clock.now)
        self._host.clock.now += self._seconds
        self.does()
        run = self._runs.pop(0) if len(self._runs) > 1 else self._runs[0]
        if isinstance(run, ReleaseError):
            raise run
        return run


def stage_of(host: Host) -> Stage:
    host.serves("v1")
    host.holds("run1", release=host.prepared("v2"))
    host.engine.told.clear()
    return host.stage(release="r2")


def migration(host: Host, image: Any, stage: Stage | None = None, known: bool = True) -> MigrationRun:
    database: Any = host.database if known else None
    return MigrationRun(stage or stage_of(host), image, database)


def test_who_gave_up_waiting_for_a_lock_tries_again(host: Host) -> None:
    image = Image(host, WAITED, WAITED, DONE)
    run = migration(host, image)
    assert run.run(COMMAND) == ["Running upgrade 0002 -> 0003"]
    assert image.ran == [COMMAND] * 3
    first, second, third = image.began
    assert (second - first, third - second) == (6 + 2, 6 + 4), "the app's queries are served meanwhile"
    assert image.limits == [600, 592, 582], "all tries have one deadline"
    assert host.phases.count("MIGRATING") == 1


@pytest.mark.parametrize(
    ("runs", "settings", "tries", "code", "words"),
    [
        ([WAITED], {}, 3, "MIGRATION_LOCK", "after 3 tries"),
        ([WAITED], {"migrate_lock_tries": 1}, 1, "MIGRATION_LOCK", "failed with exit code 1"),
        ([WAITED], {"migrate_lock_tries": 0}, 1, "MIGRATION_LOCK", "failed with exit code 1"),
        ([WAITED], {"migrate_seconds": 15}, 2, "MIGRATION_LOCK", "after 2 tries"),  # another pause would pass the deadline
        ([BROKE], {}, 1, "MIGRATION_FAILED", "failed with exit code 1"),
        ([WAITED, BROKE], {}, 2, "MIGRATION_FAILED", "after 2 tries"),
        ([Finished(137, "", "")], {}, 1, "MIGRATION_FAILED", "137 (killed; most often for memory"),
    ],
)
def test_tries_end(host: Host, runs: list[Finished], settings: dict[str, Any], tries: int, code: str, words: str) -> None:
    image = Image(host, *runs, **settings)
    stage = stage_of(host)
    with fails(code) as caught:
        migration(host, image, stage).run(COMMAND)
    assert words in caught.value.what
    assert (len(image.began), stage.steps.done[-1]["tries"]) == (tries, tries)


def test_at_the_deadline_its_session_ends_as_well(host: Host) -> None:
    image = Image(host, CommandTimeout("COMMAND_TIMEOUT", "", "", ["waiting"]), migrate_seconds=30)
    host.database.transactions = ["pid 7, idle in transaction"]
    with fails("MIGRATION_TIMEOUT") as caught:
        migration(host, image).run(COMMAND)
    assert "did not end within 30 s and was stopped" in caught.value.what
    assert host.engine.told == ["end sessions of shop_migrator"]
    assert caught.value.details[:3] == ["waiting", "open transactions in the database:", "  pid 7, idle in transaction"]


def failed(host: Host, image: Image) -> ReleaseError:
    with pytest.raises(ReleaseError) as caught:
        run = migration(host, image)
        with run.alone(["0002"]):
            run.back_up("r1")
            run.run(COMMAND)
    return caught.value


WAY_BACK = f"backup from before it: {BACKUP} (playbooks/restore.yml -e backup={BACKUP})"


def test_after_a_failure_the_database_is_looked_at(host: Host) -> None:
    image = Image(host, BROKE)
    host.database.sessions = ["pid 8: VACUUM"]
    error = failed(host, image)
    left = "a session of it is still there: pid 8: VACUUM"
    assert error.details == ["before", "DivisionByZero", left, "the database is at 0002, as before", WAY_BACK]


def test_half_a_migration_is_reported(host: Host) -> None:
    image = Image(host, BROKE)
    image.does = lambda: host.database.revision.__setitem__(0, "0003")
    assert "the database was at 0002 and is at 0003 now" in failed(host, image).details


def test_a_database_that_is_gone_since_is_reported(host: Host) -> None:
    image = Image(host, BROKE)
    image.does = lambda: host.database.failing.update(look=ReleaseError("DB_UNREACHABLE", "it is gone", ""))
    error = failed(host, image)
    assert error.code == "MIGRATION_FAILED"
    assert error.details[-2:] == ["DB_UNREACHABLE: it is gone", WAY_BACK]


def test_an_invalid_index_is_reported_with_the_statement_that_drops_it(host: Host) -> None:
    image = Image(host, BROKE)
    image.does = lambda: host.database.invalid.append("public.a_idx")
    error = failed(host, image)
    assert (error.code, "public.a_idx" in error.what) == ("MIGRATION_PARTIAL", True)
    assert error.details[-1] == "DROP INDEX CONCURRENTLY public.a_idx;"
    assert WAY_BACK in error.details


def test_on_what_an_earlier_one_left_none_is_run(host: Host) -> None:
    host.database.invalid = ["public.a_idx"]
    error = failed(host, Image(host, DONE))
    assert (error.code, host.engine.told) == ("MIGRATION_PARTIAL", [])


@pytest.mark.parametrize("tool", ["alembic", "command"])
def test_what_was_planned_for_another_state_is_not_run(host: Host, tool: str) -> None:
    run = migration(host, Image(host, DONE, tool=tool))
    planned = ["0001"] if tool == "alembic" else ["schema:other"]
    with fails("REVISION_CONFLICT") as caught, run.alone(planned):
        pytest.fail("it was run")
    now = "0002" if tool == "alembic" else "schema:abc"
    assert f"was at {planned[0]} when this was planned, and is at {now} now" in caught.value.what
    with run.alone([now]):
        assert host.database.locked


def test_nothing_of_it_is_left_afterwards(host: Host) -> None:
    run = migration(host, Image(host, DONE))
    assert run.revision() == ["0002"]
    assert host.engine.told == ["end sessions of shop_migrator"]
    host.database.invalid = ["public.a_idx"]
    with fails("MIGRATION_PARTIAL"):
        run.revision()


def test_the_app_cannot_write_the_revision_before_and_after(host: Host) -> None:
    run = migration(host, Image(host, DONE))
    with run.alone(["0002"]):
        host.database.revision = ["0003"]
        run.revision()
    assert host.database.protected == [("alembic_version", ("0002",)), ("alembic_version", ("0003",))]


def test_a_session_that_will_not_end_is_warned_of(host: Host) -> None:
    host.database.sessions = ["pid 8: VACUUM"]
    stage = stage_of(host)
    assert migration(host, Image(host, DONE), stage).revision() == ["0002"]
    assert stage.warnings == ["SESSION_LEFT: the migration is done, and sessions of it did not end: pid 8: VACUUM"]


def test_nothing_is_claimed_of_an_unknown_database(host: Host) -> None:
    run = migration(host, Image(host, BROKE), known=False)
    with fails("MIGRATION_FAILED") as caught, run.alone(["anything"]):
        run.back_up("r1")
        assert (run.backup_id, run.revision()) == (None, [])
        run.run(COMMAND)
    assert caught.value.details == ["before", "DivisionByZero"]
    assert host.engine.told == []


AROUND: dict[str, Any] = {"migrate_before_command": ["sh", "wait.sh"], "migrate_after_command": ["python", "seed.py"]}


@pytest.mark.parametrize("command", [COMMAND, []])
def test_commands_around_it_run_each_time_and_share_its_time(host: Host, command: list[str]) -> None:
    image = Image(host, DONE, **AROUND)
    migration(host, image).run(command, around=True)
    assert image.ran == [AROUND["migrate_before_command"], *([command] if command else []), AROUND["migrate_after_command"]]
    assert image.limits == [600, 594, 588][: len(image.ran)]
    assert host.phases.count("MIGRATING") == 1


@pytest.mark.parametrize(
    ("runs", "code", "what", "ran"),
    [
        ([BROKE], "MIGRATION_FAILED", "app_release_migrate_before_command of r2 (shop:v2) failed with exit code 1", 1),
        ([DONE, DONE, BROKE], "MIGRATION_FAILED", "app_release_migrate_after_command of r2 (shop:v2) failed with exit code 1", 3),
        ([DONE, DONE, WAITED], "MIGRATION_LOCK", "app_release_migrate_after_command of r2 (shop:v2) failed with exit code 1", 3),
        (
            [CommandTimeout("COMMAND_TIMEOUT", "", "")],
            "MIGRATION_TIMEOUT",
            "app_release_migrate_before_command of r2 (shop:v2) did not end",
            1,
        ),
    ],
)
def test_a_command_around_it_that_fails_is_named(host: Host, runs: list[Any], code: str, what: str, ran: int) -> None:
    image = Image(host, *runs, **AROUND)
    with fails(code) as caught:
        migration(host, image).run(COMMAND, around=True)
    assert caught.value.what.startswith(what)
    assert len(image.ran) == ran


def test_without_the_images_entrypoint_something_may_be_missing(host: Host) -> None:
    image = Image(host, BROKE)
    image.entrypoint = ["/entrypoint.sh"]  # type: ignore[misc]
    with fails("MIGRATION_FAILED") as caught:
        migration(host, image).run(COMMAND)
    assert 'app_release_migrate_command: ["/entrypoint.sh", "alembic", "upgrade", "head"]' in caught.value.details[2]


OTHER: dict[str, Any] = {"tool": "command", "migrate_pending_command": ["flyway", "pending"]}


@pytest.mark.parametrize(
    ("settings", "answer", "pending", "ran"),
    [
        ({}, DONE, True, 0),  # Alembic was asked in the plan
        ({"tool": "command"}, DONE, True, 0),
        (OTHER, Finished(0, "V2__color.sql\n\n V3__size.sql \n", "a log line"), True, 1),
        (OTHER, Finished(0, "\n", "a log line"), False, 1),
    ],
)
def test_another_tool_reports_what_is_pending(host: Host, settings: dict[str, Any], answer: Finished, pending: bool, ran: int) -> None:
    image = Image(host, answer, **settings)
    stage = stage_of(host)
    run = migration(host, image, stage)
    with run.alone(["schema:abc"] if settings else ["0002"]):
        assert run.has_pending() is pending
    assert len(image.ran) == ran
    if pending and ran:
        assert stage.steps.done[-1]["pending"] == ["V2__color.sql", "V3__size.sql"]


@pytest.mark.parametrize(
    ("answer", "changes", "words"), [(BROKE, False, "failed with exit code 1"), (DONE, True, "from schema:abc to schema:def")]
)
def test_a_command_for_what_is_pending_must_only_look(host: Host, answer: Finished, changes: bool, words: str) -> None:
    image = Image(host, answer, **OTHER)
    if changes:
        image.does = lambda: setattr(host.database, "checksum", "def")
    run = migration(host, image)
    with fails("MIGRATION_FAILED") as caught, run.alone(["schema:abc"]):
        run.has_pending()
    assert "app_release_migrate_pending_command" in caught.value.what and words in caught.value.what
