"""Volumes of an app: what an image declares and nobody mapped, and volumes made once for the app's user."""

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes import app_volumes
from fakes import FakeEngine, fails
from fakes_host import SETTINGS, settings_with

DATA: dict[str, Any] = {"name": "data", "path": "/data", "backup": True}


def settings(*volumes: dict[str, Any], **changes: Any) -> Settings:
    return settings_with(volumes=list(volumes), tmpfs=["/tmp", "/cache:size=16m"], **changes)


@pytest.mark.parametrize(
    ("declared", "told", "left"),
    [
        ([], settings(), []),
        (["/data"], settings(), ["/data"]),
        (["/data"], settings(DATA), []),
        (["/data/"], settings(DATA), []),
        (["data"], settings(DATA), []),
        (["/cache", "/tmp"], settings(), []),
        # Docker mounts an anonymous volume over a part of ours.
        (["/data/uploads"], settings(DATA), ["/data/uploads"]),
        (["/data", "/other"], settings({**DATA, "path": "/data/uploads"}), ["/data", "/other"]),
        (["/run/fairlead"], settings(), []),
        (["/run/fairlead"], settings(listen="tcp"), ["/run/fairlead"]),
        # A release from before there were volumes.
        (["/data"], SETTINGS, ["/data"]),
    ],
)
def test_what_an_image_declares_and_nothing_is_mounted_at(declared: list[str], told: Settings, left: list[str]) -> None:
    assert app_volumes.unmapped(declared, told) == left


@pytest.mark.parametrize(
    ("volumes", "paths", "line"),
    [
        ([], ["/data"], "app_volumes: [{name: data, path: /data, backup: true}]"),
        ([], ["/srv/Media_Files"], "app_volumes: [{name: media-files, path: /srv/Media_Files, backup: true}]"),
        ([], ["/1"], "app_volumes: [{name: data, path: /1, backup: true}]"),
        (
            [{"name": "data", "path": "/data", "exclusive": True}],
            ["/var/data"],
            "app_volumes: [{name: data, path: /data, exclusive: true}, {name: data-2, path: /var/data, backup: true}]",
        ),
    ],
)
def test_the_line_to_write(volumes: list[dict[str, Any]], paths: list[str], line: str) -> None:
    assert app_volumes.volumes_line(settings_with(volumes=volumes), paths) == line


def test_the_refusal_names_both_ways_and_what_the_live_release_has_there(engine: FakeEngine) -> None:
    engine.declared = ["/data", "/tmp"]
    mounts = [
        {"Type": "volume", "Destination": "/data", "Source": "/var/lib/docker/volumes/0123/_data"},
        {"Type": "bind", "Destination": "/run/fairlead", "Source": "/var/lib/fairlead/shop/r1"},
    ]
    problem = app_volumes.unmapped_problem("shop:v2", "shop@sha256:1", settings(), {"Mounts": mounts})
    assert problem is not None and problem.code == "VOLUME_UNMAPPED"
    assert "shop:v2 declares VOLUME /data, and" in problem.what
    assert "app_volumes: [{name: data, path: /data, backup: true}]" in problem.todo
    assert "app_release_tmpfs: [/tmp, /cache:size=16m, /data]" in problem.todo
    (detail,) = problem.details
    assert "/var/lib/docker/volumes/0123/_data" in detail
    assert app_volumes.unmapped_problem("shop:v2", "shop@sha256:1", settings(DATA)) is None


def test_a_volume_is_made_once_for_the_apps_user(engine: FakeEngine) -> None:
    (made,) = app_volumes.ensure("shop", settings(DATA))
    assert (made.docker_name, engine.told) == ("shop-data", ["create volume shop-data"])
    place = Path(engine.volumes["shop-data"]["Mountpoint"])
    assert (place.stat().st_uid, place.stat().st_gid, place.stat().st_mode & 0o7777) == (os.getuid(), os.getgid(), 0o700)
    # What is in use keeps the owner and mode that the app gave it.
    (place / "file").touch()
    place.chmod(0o750)
    assert app_volumes.ensure("shop", settings(DATA)) == []
    assert place.stat().st_mode & 0o7777 == 0o750
    assert engine.told == ["create volume shop-data"]


@pytest.mark.parametrize(
    "changes",
    [{"Labels": {"fairlead.app": "shop-a"}}, {"Driver": "nfs"}, {"Options": {"type": "nfs", "device": ":/export"}}],
)
def test_a_volume_that_is_not_the_apps_is_refused_untouched(engine: FakeEngine, changes: dict[str, Any]) -> None:
    app_volumes.ensure("shop", settings(DATA))
    engine.volumes["shop-data"].update(changes)
    place = Path(engine.volumes["shop-data"]["Mountpoint"])
    place.chmod(0o755)
    with fails("VOLUME_FOREIGN"):
        app_volumes.ensure("shop", settings(DATA))
    assert place.stat().st_mode & 0o7777 == 0o755


def test_a_volume_without_a_label_is_taken_over(engine: FakeEngine) -> None:
    app_volumes.ensure("shop", settings(DATA))
    engine.volumes["shop-data"]["Labels"] = None
    assert app_volumes.ensure("shop", settings(DATA)) == []


def test_root_follows_no_link_where_a_volume_should_be(engine: FakeEngine, tmp_path: Path) -> None:
    app_volumes.ensure("shop", settings(DATA))
    place = Path(engine.volumes["shop-data"]["Mountpoint"])
    place.rmdir()
    place.symlink_to(tmp_path)
    mode = tmp_path.stat().st_mode
    with fails("VOLUME_MISSING"):
        app_volumes.ensure("shop", settings(DATA))
    assert tmp_path.stat().st_mode == mode


OTHER: dict[str, Any] = {"name": "media", "path": "/data"}


@pytest.mark.parametrize(
    ("live", "new", "there", "codes"),
    [
        (None, settings(DATA), False, []),
        (settings(), settings(DATA), False, []),
        (settings(DATA), settings(DATA), True, []),
        (settings(DATA), settings(DATA), False, ["VOLUME_MISSING"]),
        # A new name is a new volume: the files stay in the old one.
        (settings(DATA), settings(OTHER), True, ["VOLUME_LEFT"]),
        (settings(DATA), settings({**DATA, "path": "/elsewhere"}), True, ["VOLUME_LEFT"]),
        (settings(DATA), settings(), True, ["VOLUME_LEFT"]),
        (settings(DATA), settings(DATA, user="4711:4711"), True, ["VOLUME_OWNER"]),
    ],
)
def test_what_should_be_known_of_a_releases_volumes(
    engine: FakeEngine, live: Settings | None, new: Settings, there: bool, codes: list[str]
) -> None:
    if there:
        app_volumes.ensure("shop", settings(DATA))
        (Path(engine.volumes["shop-data"]["Mountpoint"]) / "file").touch()
    made = app_volumes.ensure("shop", new)
    assert [warning.partition(":")[0] for warning in app_volumes.warnings("shop", made, new, live)] == codes
