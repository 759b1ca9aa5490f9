"""Who installed the collection and has neither a checkout nor an `ansible.cfg` deploys by name, with the oldest ansible-core as well."""

from pathlib import Path

import pytest

from lab import installed, packaging
from lab.story import App

# The oldest that meta/runtime.yml promises. The tools' own, which all other tests use, is the newest.
OLDEST = "2.20"


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
