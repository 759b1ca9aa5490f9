"""Who installed the collection and has neither a checkout nor an `ansible.cfg` deploys by name, with the oldest ansible-core as well."""

from pathlib import Path

import pytest

from lab import installed, packaging
from lab.story import App

# The oldest that meta/runtime.yml promises, and the one before it. The tools' own, which all other tests use, is the newest.
OLDEST, TOO_OLD = "2.19", "2.18"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the collection is installed, and an empty directory beside it."""
    folder = tmp_path_factory.mktemp("packaging")
    packaging.install(packaging.build(folder))
    return folder


def test_it_is_released_by_name(app: App, place: Path) -> None:
    user = installed.AppOfInstalled(place, installed.TOOLS, app.name)
    user.deploy("v2").succeeded()
    assert user.deploy("v2").succeeded().changed == 0
    assert "-e image_tag=" in user.play("deploy").failed_with("CONFIG").output
    play = user.rollback(release="r99").failed_with("NO_TARGET")
    assert "see fairlead.fastapi.status" in play.unfolded and "playbooks/" not in play.output
    user.assert_tidy()


def test_the_oldest_core_does_the_same(app: App, place: Path) -> None:
    user = installed.AppOfInstalled(place, installed.programs(OLDEST), app.name, callback="fairlead.fastapi.release")
    play = user.deploy("v3").succeeded()
    assert app.releases[app.live]["tag"] == "v3"
    assert "rollout" in play.output  # its steps
    user.rollback().succeeded()
    user.play("status").succeeded()
    user.assert_tidy()


def test_an_older_one_is_refused_in_one_line(app: App, place: Path) -> None:
    user = installed.AppOfInstalled(place, installed.programs(TOO_OLD), app.name)
    play = user.deploy("v4").failed_with("CONTROLLER_TOO_OLD")
    assert "needs 2.19.0 or newer; nothing was changed" in play.unfolded
    assert "Traceback" not in play.output
