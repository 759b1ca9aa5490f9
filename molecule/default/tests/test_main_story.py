"""One release, the next one, and back: nobody who uses the app notices."""

import pytest

from lab.story import App, mixed_load_was_served


@pytest.fixture(scope="session")
def app() -> App:
    """The app that converge deployed."""
    return App("main-story")


def test_upgrade_and_rollback_under_load(app: App) -> None:
    first = app.live
    with app.load(100) as load:
        app.deploy("v2").succeeded()
        second = app.live
        app.rollback().succeeded()
    mixed_load_was_served(load)
    assert {first, second} <= set(load.report.releases)
    assert (app.live, app.releases[first]["tag"]) == (first, "v1")
    app.assert_tidy()
