"""Migrations from v2's schema on: planned, backed up, run within limits. Whatever goes wrong, the old release serves on.

The tests follow each other: until `expand` is deployed, the database stays at v2's revision, 0002.
"""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import MIGRATION_LOCK

from lab import faults, hostile_database
from lab.freeze import watching
from lab.story import App, mixed_load_was_served

Fault = Callable[[App], AbstractContextManager[None]]
OLD = "the old release; the schema is as before"
LOCK_SECONDS = 2.0
MIGRATE_SECONDS = 10
# How long whoever asks for items may have to wait: for a migration in the queue before, or for one that has got its lock and hangs.
WAITS = {"MIGRATION_LOCK": LOCK_SECONDS, "MIGRATION_TIMEOUT": MIGRATE_SECONDS}
# For what a request takes when it need not wait, on a machine that runs a deploy beside it.
SLACK_SECONDS = 2.0
SHORT = ("keepalive", "fresh", "http2")
BLOCKED = "ALTER TABLE items DROP COLUMN note"
DROP = "DROP INDEX CONCURRENTLY public.ux_items_reference"
# They are begun only when there is a backup.
BACKED_UP = ("MIGRATION_FAILED", "MIGRATION_LOCK", "MIGRATION_TIMEOUT")


@contextmanager
def a_reader(app: App) -> Iterator[None]:
    """Somebody reads items for hours; the migrator's role is told to give up early."""
    role = f'ALTER ROLE "{app.name}_migrator" SET lock_timeout'
    app.sql(f"{role} = '{LOCK_SECONDS:g}s'")
    try:
        with faults.read_by_somebody(app, "items"):
            yield
    finally:
        app.sql(f"{role} = '5s'")


@contextmanager
def another_runner(app: App) -> Iterator[None]:
    """A deploy from somewhere else migrates the same database."""
    with lock_held(app, "postgres", "postgres"):
        yield


@contextmanager
def a_lock_of_the_app(app: App) -> Iterator[None]:
    """The app's own role holds a lock of the same number, in the only database where it can."""
    with lock_held(app, app.name, app.name):
        yield


@contextmanager
def lock_held(app: App, role: str, database: str) -> Iterator[None]:
    """A session holds a lock with the number of the one for migrations."""
    container = f"{app.name}-data-postgres-1"
    hold = f"SELECT pg_advisory_lock({MIGRATION_LOCK}); SELECT pg_sleep(600)"
    app.on_host("docker", "exec", "--detach", container, "psql", "--username", role, "--dbname", database, "--command", hold)
    mine = "query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + 20
    while (
        app.sql(f"SELECT count(*) FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory' AND granted AND {mine}")
        == "0"
    ):
        assert time.monotonic() < deadline, "nobody holds the lock"
        time.sleep(faults.POLL_SECONDS)
    try:
        yield
    finally:
        app.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}")


@contextmanager
def read_only_backups(app: App) -> Iterator[None]:
    """What the backups belong on can be read only, as a disk with errors."""
    place = f"/opt/fairlead/{app.name}/backups"
    app.on_host("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", place)
    try:
        yield
    finally:
        app.on_host("umount", place)


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


@pytest.fixture(scope="module", autouse=True)
def schema_of_v2(app: App) -> None:
    """What the migrations here follow."""
    app.deploy("v2").succeeded()
    app.sql("INSERT INTO items (name, reference) VALUES ('first', 'twice'), ('second', 'twice')")


@pytest.fixture(scope="module")
def background() -> Iterator[ThreadPoolExecutor]:
    """Where a deploy goes on beside the test."""
    with ThreadPoolExecutor() as executor:
        yield executor


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


@pytest.mark.fault(
    row=26,
    fault="migrated, but the candidate is never ready",
    code="NOT_READY",
    serves="the old release, with the new schema",
    says="SCHEMA_AHEAD: from which revision to which, and what serves with it",
)
def test_a_release_that_fails_after_its_migration_leaves_the_database_ahead(app: App) -> None:
    live = app.live
    with app.load() as load, a_lock_of_the_app(app):
        play = app.deploy("expand", app_release_ready_path="/nowhere", app_release_ready_seconds=5).failed_with("NOT_READY")
    mixed_load_was_served(load)
    assert "SCHEMA_AHEAD: " in play.unfolded and "from 0002 to 0003" in play.unfolded, play.output
    assert (app.live, app.revision, set(load.report.releases)) == (live, "0003", {live})
    app.assert_tidy()


@pytest.mark.fault(
    row=28,
    fault="revision that the image does not know",
    code="REVISION_CONFLICT",
    serves="the old release",
    says="both revisions",
)
def test_an_image_that_does_not_know_the_revision_is_refused(app: App) -> None:
    live, made = app.live, backups(app)
    play = app.deploy("bad_migration").failed_with("REVISION_CONFLICT")
    assert "0003," in play.unfolded and "0003_bad" in play.unfolded, play.output
    assert (app.live, app.revision, backups(app)) == (live, "0003", made)
    app.assert_tidy()


def test_what_was_migrated_is_not_migrated_again(app: App) -> None:
    made = backups(app)
    play = app.deploy("expand").succeeded()
    assert app.releases[app.live]["tag"] == "expand", play.output
    assert (app.revision, backups(app)) == ("0003", made)
    app.assert_tidy()


@pytest.mark.fault(
    row=31,
    fault="database dies after the migration",
    code="APP_EXIT",
    serves="the old release, as well as it can",
    says="the app's words: database",
)
def test_a_database_that_dies_after_the_migration(app: App, background: ThreadPoolExecutor) -> None:
    running = app.running()
    impatient = app.env(STARTUP_WAIT_SECONDS="2")
    with watching(app, "MIGRATED") as watch:
        deploy = background.submit(app.deploy, "contract", app_env=impatient, allow_contract=True)
        assert watch.reached()
        with faults.stopped(app, "postgres"):
            watch.close()
            play = deploy.result().failed_with("APP_EXIT")
    assert "database at postgres:5432" in play.unfolded
    assert (app.running(), app.revision) == (running, "0005")
    app.assert_tidy()
    app.deploy("contract", app_env=impatient).succeeded()
    assert "note" not in columns(app)
    app.assert_tidy()


@pytest.mark.fault(
    row=52,
    fault="rollback across a contract migration",
    code="ROLLBACK_SCHEMA",
    serves="the new release",
    says="the migrations, and each way out",
)
def test_a_rollback_to_what_misses_something_is_refused_until_it_is_undone(app: App) -> None:
    live, running = app.live, app.running()
    said = app.rollback().failed_with("ROLLBACK_SCHEMA").unfolded
    for words in (
        BLOCKED,
        "0004 (unknown)",
        "1. go forward",
        "2. -e schema=downgrade",
        "3. playbooks/restore.yml -e backup=",
        "-e schema=keep",
    ):
        assert words in said, said
    assert (app.live, app.running(), app.revision) == (live, running, "0005")
    made = backups(app)
    app.rollback(schema="downgrade").succeeded()
    assert (app.releases[app.live]["tag"], app.revision, len(backups(app) - made)) == ("expand", "0003", 1)
    assert "note" in columns(app)
    app.assert_tidy()


def columns(app: App) -> str:
    """Every column of the app's schema, so that half a migration would show."""
    fields = "table_name, column_name, data_type"
    return app.sql(f"SELECT {fields} FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2")


def sessions_of_migrations(app: App) -> str:
    """How many sessions the migrator's role has."""
    return app.sql(f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{app.name}_migrator'")


def backups(app: App) -> set[str]:
    """The manifests of all backups."""
    return set(app.on_host("find", f"/opt/fairlead/{app.name}/backups", "-name", "[0-9]*.json").split())


def revision_of(app: App, manifest: str) -> list[str]:
    """The revision of the database that a backup is of."""
    revision: list[str] = json.loads(app.on_host("cat", manifest))["revision"]
    return revision
