"""What an earlier version of the collection wrote on a host is read as before, and nothing of it has to be made again."""

import shutil
import subprocess
from pathlib import Path

import pytest

from lab import paths
from lab.removal import remove
from lab.story import THOROUGH, App
from lab.versions import AppOf, tree_in

# The last commit whose records have format 1.
EARLIER = "f4fc9e1"


def earlier() -> Path:
    """Return where the earlier version is."""
    tree = tree_in(paths.STATE / "earlier" / EARLIER)
    if not tree.exists():
        # Renamed when it is whole: one that was interrupted is not taken for the collection.
        fresh = tree.with_name("fastapi.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        archive = subprocess.run(["git", "archive", EARLIER], cwd=paths.REPOSITORY, stdout=subprocess.PIPE, check=True)
        subprocess.run(["tar", "--extract", "--directory", str(fresh)], input=archive.stdout, check=True)
        fresh.rename(tree)
    return tree


def told(app: App) -> dict[str, tuple[str, str]]:
    """Return tag and status of each release."""
    return {release: (record["tag"], record["status"]) for release, record in app.releases.items()}


if THOROUGH:  # it takes minutes; each run of the tests reads records of format 1 in tests/unit

    @pytest.fixture
    def app_of_before() -> App:
        """An app that the earlier version provisioned, deployed twice and backed up."""
        app = AppOf(earlier(), "earlier")
        remove(app)
        app.play("site", image_tag="v1").succeeded()
        app.deploy("v2").succeeded()
        app.play("backup").succeeded()
        return App("earlier")

    def test_releases_of_an_earlier_version_go_on(app_of_before: App) -> None:
        app = app_of_before
        running = app.running()
        assert app.deploy("v2").succeeded().changed == 0
        assert app.running() == running
        app.rollback().succeeded()
        assert told(app) == {"r1": ("v1", "live"), "r2": ("v2", "kept")}
        app.play("restore", confirm=app.name).succeeded()
        app.deploy("v2").succeeded()
        assert app.deploy("v2").succeeded().changed == 0
        app.play("provision").succeeded()
        app.assert_tidy()
        remove(app)
