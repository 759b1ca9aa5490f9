"""The lab's releases: each can be built, and is told of where people look."""

import pytest

from lab import paths
from lab.hosts import SMALL_DISKS, Host
from lab.releases import RELEASES, Release

README = (paths.SOURCES / "README.md").read_text()


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
def test_it_has_a_recipe_and_a_line_in_the_readme(release: Release) -> None:
    assert (paths.RELEASES / release.folder / "Dockerfile").is_file()
    assert f"`{release.tag}`" in README


def test_what_it_is_laid_over_is_built_before_it() -> None:
    images = [release.image for release in RELEASES]
    late = [r.name for place, r in enumerate(RELEASES) if r.parent in images and images.index(r.parent) >= place]
    assert not late


@pytest.mark.parametrize("name", SMALL_DISKS)
def test_a_small_disk_belongs_to_a_host_that_can_be(name: str) -> None:
    assert f"`{Host(name).name}`" in README
