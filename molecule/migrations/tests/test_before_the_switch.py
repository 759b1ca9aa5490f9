"""Migrations from v2's schema on, which is kept: planned, backed up, run within limits. Whatever fails, the old release serves on."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import MIGRATION_LOCK

from lab import hostile_database
from lab.migrations import (
    BLOCKED,
    LOCK_SECONDS,
    a_reader,
    another_runner,
    backups,
    columns,
    read_only_backups,
    revision_of,
    sessions_of_migrations,
)
from lab.story import App, mixed_load_was_served

Fault = Callable[[App], AbstractContextManager[None]]
OLD = "the old release; the schema is as before"
MIGRATE_SECONDS = 10
# How long whoever asks for items may have to wait: for a migration in the queue before, or for one that has got its lock and hangs.
WAITS = {"MIGRATION_LOCK": LOCK_SECONDS, "MIGRATION_TIMEOUT": MIGRATE_SECONDS}
# For what a request takes when it need not wait, on a machine that runs a deploy beside it.
SLACK_SECONDS = 2.0
SHORT = ("keepalive", "fresh", "http2")
DROP = "DROP INDEX CONCURRENTLY public.ux_items_reference"
# They are begun only when there is a backup.
BACKED_UP = ("MIGRATION_FAILED", "MIGRATION_LOCK", "MIGRATION_TIMEOUT")


CASES = [
    pytest.param(
        *(nullcontext, "contract", {}, "CONTRACT_BLOCKED", (BLOCKED, "allow_contract=true")),
        id="takes something away",
        marks=pytest.mark.fault(row=27, fault="contract migration unapproved", code="CONTRACT_BLOCKED", serves=OLD, says="its statements"),
    ),
    pytest.param(
        *(nullcontext, "two_heads", {}, "REVISION_CONFLICT", ("0003_color", "0003_size", "0002")),
        id="two heads",
        marks=pytest.mark.fault(row=28, fault="two heads", code="REVISION_CONFLICT", serves=OLD, says="heads, the database's revision"),
    ),
    pytest.param(
        *(nullcontext, "bad_migration", {}, "MIGRATION_FAILED", ("SELECT 1 / 0", "0002, as before", "-e backup=")),
        id="fails",
        marks=pytest.mark.fault(
            row=22, fault="SQL error in a migration", code="MIGRATION_FAILED", serves=OLD, says="statement, error, revision, backup"
        ),
    ),
    pytest.param(
        *(
            nullcontext,
            "hanging_migration",
            {"app_release_migrate_seconds": MIGRATE_SECONDS},
            "MIGRATION_TIMEOUT",
            ("within 10 s", "Running upgrade 0002"),
        ),
        id="hangs",
        marks=pytest.mark.fault(row=24, fault="a migration hangs", code="MIGRATION_TIMEOUT", serves=OLD, says="limit, output so far"),
    ),
    pytest.param(
        *(a_reader, "expand", {"app_release_migrate_lock_tries": 2}, "MIGRATION_LOCK", ("after 2 tries", "lock timeout", "pg_sleep(600)")),
        id="waits for a lock",
        marks=pytest.mark.fault(
            row=23,
            fault="migration waits for a lock",
            code="MIGRATION_LOCK",
            serves=f"{OLD}; nobody waits for longer than its lock time-out",
            says="who holds the lock",
        ),
    ),
    pytest.param(
        *(another_runner, "expand", {}, "MIGRATION_BUSY", ("pid ", "psql")),
        id="second runner",
        marks=pytest.mark.fault(row=23, fault="somebody else migrates", code="MIGRATION_BUSY", serves=OLD, says="who, since when"),
    ),
    pytest.param(
        *(hostile_database.planted_view, "expand", {}, "VERSION_TABLE", ("public.alembic_version is a view of the role",)),
        id="version table is a view",
        marks=pytest.mark.fault(
            row=121, fault="a migration put a view in the place of the version table", code="VERSION_TABLE", serves=OLD, says="whose it is"
        ),
    ),
    pytest.param(
        *(read_only_backups, "expand", {}, "BACKUP_FAILED", ("Read-only file system", "playbooks/backup.yml")),
        id="no backup",
        marks=pytest.mark.fault(row=29, fault="backup fails: its disk is read-only", code="BACKUP_FAILED", serves=OLD, says="why"),
    ),
]


def test_what_is_pending_is_shown_with_its_sql_and_what_it_does(app: App) -> None:
    before = app.fingerprint()
    allowed = app.deploy("contract", "--check", "--diff", allow_contract=True).succeeded()
    refused = app.deploy("contract", "--check", "--diff").failed_with("CONTRACT_BLOCKED")
    for words in (
        "migration 0003 (after 0002): Add a color to items, and an index on it.",
        "class: expand",
        "lock: line ",
        "CREATE INDEX ix_items_color ON items (color)",
        "migration 0004 (after 0003): Give each item a color.",
        "class: unknown",
        "UPDATE items SET color",
        "migration 0005 (after 0004): Drop the note of items.",
        "class: contract",
        f"{BLOCKED}: Dropping a column may break existing clients. [ban-drop-column]",
    ):
        for play in (allowed, refused):
            assert words in play.output, f"{words} is not in\n{play.output}"
    assert app.fingerprint() == before


@pytest.mark.parametrize(("fault", "tag", "variables", "code", "evidence"), CASES)
def test_the_old_release_serves_on(
    app: App, fault: Fault, tag: str, variables: dict[str, object], code: str, evidence: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    before, made = (app.live, app.revision, app.running(), columns(app)), backups(app)
    with app.load() as load, fault(app):
        play = app.deploy(tag, **variables).failed_with(code)
        assert sessions_of_migrations(app) == "0"
    mixed_load_was_served(load)
    for words in evidence:
        assert words in play.output, f"{words} is not in\n{play.output}"
    assert (app.live, app.revision, app.running(), columns(app)) == before
    # The app itself reads its version table when it is asked whether it is ready.
    assert hostile_database.roles_that_ran(app) <= {app.name}, "what is refused is not read"
    assert set(load.report.releases) == {app.live}
    added = backups(app) - made
    assert len(added) == (code in BACKED_UP), added
    assert all(revision_of(app, manifest) == ["0002"] for manifest in added)
    if code in WAITS:
        longest = max(load.report.by_kind[kind].max_ms or 0 for kind in SHORT) / 1000
        with capsys.disabled():
            print(f"\n{code}: nobody waited for longer than {longest:.2f} s")
        assert longest < WAITS[code] + SLACK_SECONDS
    app.assert_tidy()


@pytest.mark.fault(
    row=25, fault="migration half done", code="MIGRATION_PARTIAL", serves="the old release", says="the invalid index, how to drop it"
)
def test_what_is_left_of_half_a_migration_is_named_until_it_is_gone(app: App) -> None:
    live, revision = app.live, app.revision
    assert DROP in app.deploy("concurrent").failed_with("MIGRATION_PARTIAL").unfolded
    assert DROP in app.deploy("expand").failed_with("MIGRATION_PARTIAL").unfolded
    assert (app.live, app.revision) == (live, revision)
    app.sql(DROP)
    app.assert_tidy()


@pytest.mark.fault(
    row=122,
    fault="a compromised app takes the lock for migrations, rewrites the revision, or goes to another database",
    code="–",
    serves="the old release",
    says="–",
)
@pytest.mark.parametrize(
    ("statement", "database"),
    [
        ("UPDATE alembic_version SET version_num = '0001'", None),
        ("DELETE FROM alembic_version", None),
        ("CREATE TEMPORARY TABLE a (b integer)", None),
        (f"SELECT pg_advisory_lock({MIGRATION_LOCK})", "postgres"),
        ("SELECT 1", "template1"),
    ],
)
def test_the_apps_role_can_neither_stop_nor_falsify_migrations(app: App, statement: str, database: str | None) -> None:
    with pytest.raises(AssertionError, match="permission denied"):
        hostile_database.run_as(app, app.name, statement, database)
    assert hostile_database.run_as(app, app.name, "SELECT version_num FROM alembic_version") == app.revision
