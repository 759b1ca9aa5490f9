"""Controllers of several versions of the collection share a host: each brings its own program, and undoes nothing of another's."""

from pathlib import Path

import pytest

from lab.story import App
from lab.versions import AppOf, changed

PROGRAMS = "/usr/local/lib/fairlead"


def programs(app: App) -> set[str]:
    """Return the versions of the program on the host, and what runs left of them elsewhere."""
    found = app.on_host("find", PROGRAMS, "/tmp", "/var/tmp", "-mindepth", "1", "-maxdepth", "1", "-type", "d")  # on the host
    return {path.rpartition("/")[2] for path in found.splitlines() if path.startswith(PROGRAMS) or "fairlead" in path}


def current(app: App) -> str:
    """Return the version that timers use."""
    return app.on_host("readlink", f"{PROGRAMS}/current").strip()


@pytest.fixture(scope="module")
def newer(app: App, tmp_path_factory: pytest.TempPathFactory) -> App:
    """The app as a newer version sees it."""
    return AppOf(changed(tmp_path_factory.mktemp("newer"), "99.0.0"), app.name)


def test_two_versions_deploy_by_turns(app: App, newer: App) -> None:
    app.deploy("v2").succeeded()
    mine, before = current(app), programs(app)
    newer.deploy("v3").succeeded()
    theirs, both = current(app), programs(app)
    assert theirs not in before and {mine, theirs} <= both
    app.deploy("v4").succeeded()
    assert (current(app), programs(app)) == (theirs, both), f"{mine} took the place of a newer version, or was brought again"
    assert newer.deploy("v4").succeeded().changed == 0
    newer.rollback().succeeded()
    assert app.releases[app.live]["tag"] == "v3"
    app.assert_tidy()


def test_where_nothing_may_change_a_version_is_there_for_one_run_only(app: App, tmp_path: Path) -> None:
    before, live = programs(app), app.live
    tree = changed(tmp_path, "99.1.0")
    play = AppOf(tree, app.name).deploy("v5", "--check", "--diff").succeeded()
    assert "/shop/api:v5" in play.unfolded
    AppOf(tree, "nobody").deploy("v5").failed_with("NOT_PROVISIONED")
    assert (programs(app), app.live) == (before, live)
    assert not app.host.run(["ls", "-d", "/opt/fairlead/nobody"]).stdout
