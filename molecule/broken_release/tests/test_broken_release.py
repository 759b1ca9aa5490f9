"""A release that is not good never serves; the message says why."""

import pytest

from lab.story import App, mixed_load_was_served

OLD = "the old release"
CASES = [
    pytest.param(
        "never_ready",
        {"app_release_ready_seconds": 10},
        "NOT_READY",
        ("HTTP 503",),
        id="never ready",
        marks=pytest.mark.fault(row=14, fault="never ready (503)", code="NOT_READY", serves=OLD, says="last answers, last log lines"),
    ),
    pytest.param(
        "crashing",
        {},
        "APP_EXIT",
        ("exited with code 1", "Traceback"),
        id="crashes at start",
        marks=pytest.mark.fault(row=13, fault="exits at its start", code="APP_EXIT", serves=OLD, says="exit code, traceback"),
    ),
    pytest.param(
        "v4",
        {"app_release_identity": "header:X-Other", "app_release_ready_seconds": 10},
        "WRONG_RELEASE",
        ("unknown instead of",),
        id="somebody else",
        marks=pytest.mark.fault(row=17, fault="answers 200, as another release", code="WRONG_RELEASE", serves=OLD, says="both ids"),
    ),
    pytest.param(
        "v4",
        {"app_release_memory": "24m", "app_release_migrate": False},
        "APP_EXIT",
        ("exited with code 137", "app_release_memory"),
        id="out of memory",
        marks=pytest.mark.fault(row=12, fault="out of memory at its start", code="APP_EXIT", serves=OLD, says="exit code 137, the limit"),
    ),
]


@pytest.fixture(scope="module", autouse=True)
def schema_of_v2(app: App) -> None:
    """The broken releases know the schema of v2."""
    app.deploy("v2").succeeded()


@pytest.mark.parametrize(("tag", "variables", "code", "evidence"), CASES)
def test_the_old_release_serves_on(app: App, tag: str, variables: dict[str, object], code: str, evidence: tuple[str, ...]) -> None:
    live, revision, running = app.live, app.revision, app.running()
    with app.load() as load:
        play = app.deploy(tag, **variables).failed_with(code)
    mixed_load_was_served(load)
    assert set(load.report.releases) == {live}
    for text in (*evidence, f"Serving now: {live}"):
        assert text in play.output, play.output
    assert (app.live, app.revision, app.running()) == (live, revision, running)
    app.assert_tidy()


@pytest.mark.fault(row=15, fault="ready slowly, before the deadline", code="", serves="the new release", says="")
def test_a_slow_start_is_waited_for(app: App) -> None:
    with app.load() as load:
        app.deploy("slow").succeeded()
    mixed_load_was_served(load)
    app.assert_tidy()


def test_the_next_good_deploy_needs_no_clean_up(app: App) -> None:
    app.deploy("v5").succeeded()
    assert app.releases[app.live]["tag"] == "v5"
    app.assert_tidy()
