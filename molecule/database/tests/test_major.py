"""From PostgreSQL 15 to 17: refused in passing, done when it is meant, taken back when it fails. The tests follow each other."""

import pytest

from lab.play import Play
from lab.story import DATA_ONLY, App

OLD, NEW = "postgres:15", "postgres:17"
ROWS = 40
EVERYTHING = "SELECT count(*), coalesce(sum(hashtext(t::text)), 0) FROM items t"


@pytest.fixture(scope="module", autouse=True)
def rows(app: App) -> None:
    """There is something to lose. The new image is here already, so that nothing at all is changed when it is refused."""
    app.on_host("docker", "pull", "--quiet", NEW)
    app.sql(f"INSERT INTO items (name, reference) SELECT 'item ' || n, 'r' || n FROM generate_series(1, {ROWS}) n")


@pytest.mark.fault(
    row=61, fault="image of another PostgreSQL major", code="PG_MAJOR_UPGRADE", serves="the old release", says="both majors, the command"
)
def test_an_image_of_another_major_is_refused(app: App) -> None:
    before = app.fingerprint()
    play = app.play("provision", *DATA_ONLY, data_services_postgres_image=NEW).failed_with("PG_MAJOR_UPGRADE")
    assert "playbooks/upgrade_postgres.yml -e data_services_postgres_image=postgres:17" in play.unfolded
    assert app.fingerprint() == before
    serves(app, major="15")


def test_nothing_is_upgraded_that_was_not_confirmed(app: App) -> None:
    before = app.fingerprint()
    for confirm in ({}, {"confirm": "shop"}):
        app.play("upgrade_postgres", data_services_postgres_image=NEW, **confirm).failed_with("NOT_CONFIRMED")
    assert app.fingerprint() == before


@pytest.mark.fault(
    row=62,
    fault="the new PostgreSQL does not start in the place of the old one",
    code="UPGRADE_FAILED",
    serves="the old release, after the maintenance page",
    says="why, which volume is in use",
)
def test_an_upgrade_that_fails_leaves_the_old_server_on_its_volume(app: App) -> None:
    content, options = app.sql(EVERYTHING), {"no_such_setting": "1"}
    play = upgrade(app, data_services_postgres_options=options, data_services_ready_seconds=15)
    play.failed_with("UPGRADE_FAILED")
    assert "PostgreSQL 15 runs again on its volume database-data_postgres-15" in play.unfolded
    assert app.sql(EVERYTHING) == content
    serves(app, major="15")
    assert volumes(app) == ["database-data_postgres-15"]
    app.assert_tidy()


def test_all_rows_are_in_the_new_major(app: App) -> None:
    content = app.sql(EVERYTHING)
    play = upgrade(app).succeeded()
    assert "docker volume rm database-data_postgres-15" in play.unfolded
    assert app.sql(EVERYTHING) == content
    serves(app, major="17")
    assert volumes(app) == ["database-data_postgres-15", "database-data_postgres-17"]
    app.assert_tidy()


def test_the_second_run_changes_nothing(app: App) -> None:
    again = upgrade(app).succeeded()
    assert again.changed == 0, again.output
    assert "Nothing to do: PostgreSQL 17" in again.unfolded


def test_there_is_no_way_back_to_an_earlier_major(app: App) -> None:
    for playbook in ("provision", "upgrade_postgres"):
        play = app.play(playbook, data_services_postgres_image=OLD, confirm=app.name).failed_with("PG_MAJOR_UPGRADE")
        assert "no way back" in play.unfolded
    serves(app, major="17")


def upgrade(app: App, **variables: object) -> Play:
    """Run the playbook for the new major."""
    return app.play("upgrade_postgres", data_services_postgres_image=NEW, confirm=app.name, **variables)


def serves(app: App, major: str) -> None:
    """Users are let in, the app answers, and its database is of this major."""
    app.settle()
    assert app.sql("SHOW server_version").split(".")[0] == major


def volumes(app: App) -> list[str]:
    """The volumes of the app's PostgreSQL."""
    listed = app.on_host("docker", "volume", "ls", "--quiet", "--filter", f"name={app.name}-data_postgres")
    return sorted(listed.split())
