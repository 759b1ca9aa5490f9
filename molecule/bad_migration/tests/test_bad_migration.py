"""A migration that goes wrong stops the deploy before anything that users see."""

import pytest

from lab.story import App, mixed_load_was_served

OLD = "the old release; the schema is as before"
CASES = [
    pytest.param(
        "bad_migration",
        {},
        "MIGRATION_FAILED",
        "SELECT 1 / 0",
        id="fails",
        marks=pytest.mark.fault(row=22, fault="SQL error in a migration", code="MIGRATION_FAILED", serves=OLD, says="statement and error"),
    ),
    pytest.param(
        "hanging_migration",
        {"app_release_migrate_seconds": 12},
        "MIGRATION_TIMEOUT",
        "Running upgrade 0002",
        id="hangs",
        marks=pytest.mark.fault(row=24, fault="a migration hangs", code="MIGRATION_TIMEOUT", serves=OLD, says="limit, output so far"),
    ),
]


@pytest.fixture(scope="module", autouse=True)
def schema_of_v2(app: App) -> None:
    """The bad migrations come after that of v2."""
    app.deploy("v2").succeeded()


@pytest.mark.parametrize(("tag", "variables", "code", "evidence"), CASES)
def test_the_old_release_serves_on(app: App, tag: str, variables: dict[str, object], code: str, evidence: str) -> None:
    live, revision, running, tables = app.live, app.revision, app.running(), columns(app)
    with app.load() as load:
        play = app.deploy(tag, **variables).failed_with(code)
    mixed_load_was_served(load)
    assert evidence in play.output.partition("Evidence:")[2], play.output
    assert (app.live, app.revision, app.running(), columns(app)) == (live, revision, running, tables)
    assert set(load.report.releases) == {live}
    app.assert_tidy()


def test_no_session_of_a_migration_is_left(app: App) -> None:
    mine = "pid <> pg_backend_pid() AND (state LIKE 'idle in transaction%' OR query ILIKE '%pg_sleep%')"
    sessions = app.sql(f"SELECT count(*) FROM pg_stat_activity WHERE {mine}")
    assert sessions == "0"


def test_the_next_good_deploy_succeeds(app: App) -> None:
    app.deploy("v3").succeeded()
    app.assert_tidy()


def columns(app: App) -> str:
    """Every column of the app's schema, so that half a migration would show."""
    fields = "table_name, column_name, data_type"
    return app.sql(f"SELECT {fields} FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2")
