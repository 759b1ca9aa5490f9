"""Any image can be released: how it listens, migrates, answers and takes its secrets are variables."""

from pathlib import Path

import pytest
import yaml

from lab.results import results
from lab.story import App, mixed_load_was_served

VARIABLES = yaml.safe_load((Path(__file__).parents[1] / "vars" / "main.yml").read_text())


@pytest.fixture(scope="session")
def app() -> App:
    """The app with all that its image needs to be told."""
    return App("foreign-image", variables=VARIABLES)


def test_it_serves_and_was_migrated(app: App) -> None:
    status, headers, _ = app.get("/readyz")
    assert (status, headers["x-app-release"]) == (200, app.live)
    assert app.sql("SELECT name FROM foreign_migrations") == "001_create_notes.sql"


def test_upgrade_and_rollback_drop_no_request(app: App) -> None:
    first = app.live
    with app.load(60, profile="foreign", paths=["/livez", "/readyz", "/notes"], release_header="X-App-Release") as load:
        app.deploy("2").succeeded()
        second = app.live
        # Of a migration that is no Alembic's nobody can tell what it takes away: whoever wrote it can.
        refused = app.rollback().failed_with("ROLLBACK_SCHEMA")
        app.rollback(schema="keep").succeeded()
    mixed_load_was_served(load, at_least=("keepalive", "fresh", "http2"))
    assert "2. (-e schema=downgrade is not possible" in refused.unfolded
    assert app.live == first
    assert {first, second} <= set(load.report.releases)
    assert "002_add_author.sql" in app.sql("SELECT name FROM foreign_migrations")


WRONG = [
    pytest.param(
        {"app_release_identity": "header:X-Release"},
        "WRONG_RELEASE",
        "set app_release_identity: header:x-app-release",
        id="another header",
        marks=pytest.mark.fault(
            row=144,
            fault="tells its release by another header",
            code="WRONG_RELEASE",
            serves="the old release",
            says="the header that fits",
        ),
    ),
    pytest.param(
        {"app_release_ready_path": "/ready"},
        "NOT_READY",
        "set app_release_ready_path: /readyz",
        id="another path",
        marks=pytest.mark.fault(
            row=145, fault="knows no page at the ready path", code="NOT_READY", serves="the old release", says="a path that answers"
        ),
    ),
]


@pytest.mark.parametrize(("variables", "code", "todo"), WRONG)
def test_a_wrong_variable_is_named_before_the_time_limit(app: App, variables: dict[str, str], code: str, todo: str) -> None:
    live = app.live
    output = app.deploy("2", "-v", app_release_migrate=False, **variables).failed_with(code).output
    assert todo in " ".join(output.split())
    (ready,) = (step for result in results(output) for step in result.get("steps", []) if step["step"] == "ready")
    assert ready["seconds"] < 15
    assert app.live == live
    app.assert_tidy()


def test_it_does_not_run_as_root_although_its_image_would(app: App) -> None:
    (container,) = (c for c in app.containers() if c["State"]["Running"])
    assert container["Config"]["User"] == "10001:20001"
    assert container["HostConfig"]["PortBindings"] in (None, {})


def test_the_same_again_changes_nothing(app: App) -> None:
    running = app.running()
    assert app.deploy("1").succeeded().changed == 0
    assert app.running() == running


def test_a_deploy_behind_the_maintenance_page_asks_at_the_paths_of_the_image(app: App) -> None:
    app.play("maintenance", maintenance="on").succeeded()
    before = app.live
    app.deploy("1", app_release_keep=2).succeeded()
    assert app.live != before
    assert [app.get(path)[0] for path in ("/livez", "/readyz", "/notes")] == [200, 200, 503]
    app.play("maintenance", maintenance="off").succeeded()
    assert app.get("/notes")[0] == 200


def test_smoke_checks_follow_the_variables(app: App) -> None:
    output = app.play("smoke", "-v").succeeded().output
    assert "/livez: HTTP 200" in output and "/docs" not in output
