"""A database that was migrated for a release, which is live, failed since, or is gone back from."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import faults
from lab.freeze import watching
from lab.migrations import BLOCKED, a_lock_of_the_app, backups, columns
from lab.story import App, mixed_load_was_served


@pytest.fixture(scope="module")
def background() -> Iterator[ThreadPoolExecutor]:
    """Where a deploy goes on beside the test."""
    with ThreadPoolExecutor() as executor:
        yield executor


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
