"""Second stage of a deploy: a migration that fails leaves the live release as it was."""

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import CommandTimeout, Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import Schema
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages.release_migrate import run as migrate
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import MASK, ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import Finding, Migration
from fakes import BUSY, fails, good
from fakes_database import BACKUP, NEWER, migration
from fakes_host import SECRET, Host, settings_with

MIGRATED = "Running upgrade 0002 -> 0003"
DROP = Finding(1, "ALTER TABLE items DROP a", "ban-drop-column", "breaks readers", "destructive")
RAN = ["compose run shop-r2", "end sessions of shop_migrator"]
BACKED_UP = "backup for a migration, of r1"


def plan(*pending: Migration, **changes: Any) -> dict[str, Any]:
    """Return a plan as the stage before returned it, and the controller judged it."""
    with_sql = [replace(one, sql="SELECT 1;").as_dict() for one in pending or [migration("0003", "0002")]]
    return {"tool": "alembic", "heads": ["0003"], "revision": ["0002"], "fresh": False, "pending": with_sql, "due": True, **changes}


def run(host: Host, the_plan: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    given = {"release": "r2", "plan": the_plan or plan(), "lint": True, "allow_contract": False, **params}
    return migrate(host.stage(**given))


@pytest.fixture
def ready_to_migrate(host: Host) -> Host:
    """`r1` serves, `r2` is prepared by this run, and has a migration that the database lacks."""
    host.serves("v1")
    host.holds("run1", release=host.prepared("v2"))
    host.engine.alembic.history = Finished(0, NEWER, "")
    host.answers.of["r1"] = good("r1")
    host.engine.told.clear()
    return host


def test_it_is_backed_up_run_and_recorded(ready_to_migrate: Host) -> None:
    host = ready_to_migrate
    host.engine.compose_leaves = Finished(0, f"{MIGRATED}\nconnected with {SECRET}\n", "")
    brought = migration("0003", "0002")
    result = run(host)
    assert result["migrations"] == [brought.recorded()]
    assert (result["changed"], result["output"], result["backup"]) == (True, [MIGRATED, f"connected with {MASK}"], BACKUP)
    assert host.engine.told == [BACKED_UP, *RAN]
    assert host.schema("r2") == Schema("alembic", ["0003"], [brought], before=["0002"], backup=BACKUP)
    assert (host.live, host.record("r2").status, host.database.revision) == ("r1", "prepared", ["0003"])
    assert host.phases[-3:] == ["BACKED_UP", "MIGRATING", "MIGRATED"]
    assert host.leased


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "CONTRACT_BLOCKED"),
        ({"allow_contract": True}, None),
        ({"the_plan": plan(migration("0003", "0002", impact="contract"), fresh=True)}, None),  # nothing can be missed
        ({"the_plan": plan(migration("0003", "0002", impact="unknown"))}, None),
    ],
)
@pytest.mark.parametrize("check_mode", [False, True])
def test_a_contract_migration_needs_allow_contract(
    ready_to_migrate: Host, params: dict[str, Any], code: str | None, check_mode: bool
) -> None:
    host = ready_to_migrate
    contract = migration("0004", "0003", impact="contract", findings=[DROP, replace(DROP, kind="lock", message="is slow")])
    given = {"the_plan": plan(migration("0003", "0002"), contract), **params}
    if code is None:
        assert run(host, check_mode=check_mode, **given)["changed"] is True
        return
    with fails(code) as caught:
        run(host, check_mode=check_mode, **given)
    assert caught.value.what.startswith("1 of 2 pending migrations would break")
    assert caught.value.details == ["0004 (contract): Do 0004", "  ALTER TABLE items DROP a: breaks readers"]
    assert (host.database.revision, host.record("r2").status) == (["0002"], "prepared" if check_mode else "failed")
    assert "backup" not in str(host.engine.told)


@pytest.mark.parametrize(
    ("the_plan", "settings"),
    [(plan(fresh=True), {}), (plan(), {"migrate_backup": False})],
)
def test_without_anything_to_lose_there_is_no_backup(host: Host, the_plan: dict[str, Any], settings: dict[str, Any]) -> None:
    host.serves("v1")
    host.holds("run1", release=host.prepared("v2", settings=settings_with(**settings)))
    host.engine.alembic.history = Finished(0, NEWER, "")
    host.answers.of["r1"] = good("r1")
    assert run(host, the_plan)["backup"] is None
    assert host.engine.told == RAN
    assert host.phases[-2:] == ["MIGRATING", "MIGRATED"]


@pytest.mark.parametrize("code", ["BACKUP_FAILED", "DISK_SPACE"])
def test_without_a_backup_nothing_runs(ready_to_migrate: Host, code: str) -> None:
    host = ready_to_migrate
    host.engine.failing["backup"] = ReleaseError(code, "", "")
    with fails(code):
        run(host)
    assert (host.engine.told, host.database.revision, host.live) == ([BACKED_UP], ["0002"], "r1")
    assert host.record("r2").reason == code


@pytest.mark.parametrize(
    ("code", "revision", "words"),
    [
        ("MIGRATION_BUSY", ["0002"], ""),
        ("REVISION_CONFLICT", ["0002b"], "was at 0002 when this was planned, and is at 0002b now"),
    ],
)
def test_another_run_that_migrates_is_not_disturbed(ready_to_migrate: Host, code: str, revision: list[str], words: str) -> None:
    host = ready_to_migrate
    host.database.revision = revision
    if code == "MIGRATION_BUSY":
        host.database.failing["lock"] = ReleaseError(code, "", "")
    with fails(code) as caught:
        run(host)
    assert words in caught.value.what
    assert (host.engine.told, host.database.revision) == ([], revision)


def test_a_failure_removes_the_release_and_ends_the_run(ready_to_migrate: Host) -> None:
    host = ready_to_migrate
    host.engine.compose_leaves = Finished(1, f"{MIGRATED}\nDivisionByZero, password {SECRET}\n", "")
    with fails("MIGRATION_FAILED") as caught:
        run(host)
    assert [line.strip() for line in str(caught.value.message).splitlines()[-4:]] == [
        MIGRATED,
        f"DivisionByZero, password {MASK}",
        "the database is at 0002, as before",
        f"backup from before it: {BACKUP} (playbooks/restore.yml -e backup={BACKUP})",
    ]
    assert (host.record("r2").status, host.record("r2").reason) == ("failed", "MIGRATION_FAILED")
    assert host.schema("r2").migrations == [migration("0003", "0002")], "some of it may have been done"
    assert not host.paths.bundle("r2").exists()
    assert (host.live, host.engine.present["r1"]["State"]["Running"]) == ("r1", True)
    assert (host.phases[-2:], host.entry.code) == (["MIGRATING", "ABORTED"], "MIGRATION_FAILED")
    assert SECRET not in str(host.entry)


def test_a_migration_that_hangs_is_ended(ready_to_migrate: Host) -> None:
    host = ready_to_migrate
    host.engine.failing["compose run"] = CommandTimeout("COMMAND_TIMEOUT", "", "", ["waiting for a lock"])
    with fails("MIGRATION_TIMEOUT") as caught:
        run(host)
    assert "within 600 s" in caught.value.what
    assert caught.value.details[0] == "waiting for a lock"
    assert host.engine.told[:4] == [BACKED_UP, RAN[0], "remove shop-r2-migrate", RAN[1]], "ending the client does not end the container"
    assert (host.record("r2").reason, host.unfinished) == ("MIGRATION_TIMEOUT", False)


def test_a_tool_that_ends_well_elsewhere_has_failed(ready_to_migrate: Host) -> None:
    host = ready_to_migrate
    with fails("MIGRATION_FAILED") as caught:
        run(host, plan(heads=["0004"]))
    assert "is at 0003 instead of 0004" in caught.value.what
    assert "app_release_migrate_version_table, which is alembic_version" in caught.value.todo


@pytest.mark.parametrize(
    ("known", "after", "revisions"),
    [(True, "def", ["schema:def"]), (True, "abc", []), (False, "def", [])],
)
def test_of_another_tool_the_change_of_the_schema_is_recorded(host: Host, known: bool, after: str, revisions: list[str]) -> None:
    settings = settings_with(migrate_command=["flyway", "migrate"], migrate_backup=known)
    host.serves("v1")
    host.holds("run1", release=host.prepared("v2", settings=settings))
    host.answers.of["r1"] = good("r1")
    host.database.known = known
    before = ["schema:abc"] if known else []
    host.engine.alembic.runs = lambda command: setattr(host.database, "checksum", after)  # type: ignore[method-assign]
    migrations = run(host, plan(tool="command", heads=before, revision=before))["migrations"]
    assert [one["revision"] for one in migrations] == revisions
    assert all((one["class"], one["down"]) == ("unknown", ["schema:abc"]) for one in migrations)
    assert host.schema("r2").heads == (["schema:" + after] if known else [])


@pytest.mark.parametrize(
    ("settings", "the_plan"),
    [
        ({}, plan(pending=[])),
        ({"migrate_command": ["flyway", "migrate"], "migrate_pending_command": ["flyway", "pending"]}, plan(tool="command")),
    ],
)
def test_with_nothing_pending_only_the_commands_around_it_run(host: Host, settings: dict[str, Any], the_plan: dict[str, Any]) -> None:
    host.serves("v1")
    host.holds("run1", release=host.prepared("v2", settings=settings_with(migrate_after_command=["seed"], **settings)))
    host.answers.of["r1"] = good("r1")
    host.engine.told.clear()
    host.engine.alembic.runs = lambda command: None  # type: ignore[method-assign]
    revision = ["0002"] if the_plan["tool"] == "alembic" else ["schema:abc"]
    before = host.schema("r2")
    result = run(host, {**the_plan, "heads": revision, "revision": revision})
    assert (result["migrations"], result["backup"], host.schema("r2")) == ([], None, before)
    asked = ["compose run shop-r2"] * bool(settings)
    assert host.engine.told == [*asked, *RAN]


@pytest.mark.parametrize(("after", "revisions"), [(["0003"], ["0003"]), (["0002"], [])])
def test_the_revision_that_was_reached_counts_where_heads_are_unknown(
    ready_to_migrate: Host, after: list[str], revisions: list[str]
) -> None:
    host = ready_to_migrate
    host.engine.alembic.runs = lambda command: setattr(host.database, "revision", after)  # type: ignore[method-assign]
    result = run(host, plan(heads=[]))
    assert [(one["revision"], one["down"], one["class"]) for one in result["migrations"]] == [
        (name, ["0002"], "unknown") for name in revisions
    ]
    assert host.schema("r2").heads == after


def test_a_live_release_that_fails_after_the_migration_is_reported(ready_to_migrate: Host) -> None:
    host = ready_to_migrate
    host.answers.of["r1"] = BUSY
    stage = host.stage(release="r2", plan=plan(), lint=True, allow_contract=False)
    assert migrate(stage)["changed"] is True
    assert [warning.partition(" is not ready any more")[0] for warning in stage.warnings] == [
        "OLD_NOT_READY: r1 (registry.lab:5000/shop/api:v1)"
    ]
    assert host.answers.asked == ["/ready"] * 3, "one slow answer tells nothing"


def test_without_the_lease_nothing_runs(ready_to_migrate: Host) -> None:
    host = ready_to_migrate
    host.clock.now += 61
    with fails("LEASE_LOST"):
        run(host, run="run2")
    assert (host.engine.told, host.entry.run) == ([], "run1")


def test_check_mode_runs_nothing(ready_to_migrate: Host) -> None:
    host = ready_to_migrate
    before = host.files()
    planned = {"changed": True, "output": [], "migrations": [migration("0003", "0002").recorded()], "backup": None}
    assert run(host, check_mode=True) == planned
    assert (host.files(), host.engine.told) == (before, [])
