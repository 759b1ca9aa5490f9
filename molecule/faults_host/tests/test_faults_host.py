"""A host that runs out of something, or whose clock or engine cannot be relied on: told before anything is begun, or no matter."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial

import pytest

from lab import faults
from lab.freeze import watching
from lab.story import App, mixed_load_was_served

OLD = "the old release"
# What the release `large` brings does not fit into this.
LEFT_MEGABYTES = 24
# More than twice the live image, which is what is looked for before a pull.
ROOM_MEGABYTES = 560
DAY = 86400
OUTAGE_SECONDS = 60.0


@pytest.fixture(scope="session")
def app() -> App:
    """The app on a host of its own, whose engine has a small disk."""
    return App("faults-host", "vps9")


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    """Where runs go on beside the test."""
    with ThreadPoolExecutor() as executor:
        yield executor


@pytest.mark.parametrize(
    ("fault", "evidence"),
    [
        pytest.param(
            partial(faults.full_engine_disk, free_megabytes=LEFT_MEGABYTES),
            ("MB are free", "MB are needed"),
            id="disk full",
            marks=pytest.mark.fault(row=8, fault="disk full before the pull", code="DISK_SPACE", serves=OLD, says="have and need, path"),
        ),
        pytest.param(
            partial(faults.few_inodes, free=500),
            ("inodes are free", "are needed"),
            id="inodes exhausted",
            marks=pytest.mark.fault(row=11, fault="inodes exhausted", code="DISK_SPACE", serves=OLD, says="have and need, path"),
        ),
        pytest.param(
            partial(faults.disk_filling_up, from_megabytes=ROOM_MEGABYTES, to_megabytes=LEFT_MEGABYTES),
            ("cannot pull", "no space left on device"),
            id="disk fills during the pull",
            marks=pytest.mark.fault(row=9, fault="disk fills during the pull", code="DISK_SPACE", serves=OLD, says="the engine's words"),
        ),
    ],
)
def test_a_disk_without_room(app: App, fault: Callable[[App], AbstractContextManager[None]], evidence: tuple[str, ...]) -> None:
    live, running, free = app.live, app.running(), faults.free_space(app)
    with app.load(50) as load, fault(app):
        play = app.deploy("large", app_release_disk_megabytes=100).failed_with("DISK_SPACE")
    mixed_load_was_served(load)
    for text in (*evidence, f"Serving now: {live}"):
        assert text in play.unfolded, play.output
    assert (app.live, app.running()) == (live, running)
    assert faults.free_space(app) >= free - 1, "layers of the image that was not wanted take room"
    app.assert_tidy()


@pytest.mark.fault(row=41, fault="clock off by a day, and jumping", code="–", serves="the new release", says="CLOCK_OFFSET: by how much")
def test_a_clock_that_jumps(app: App, background: ThreadPoolExecutor) -> None:
    faults.set_clock(app, f"+{DAY}")
    with app.load(50) as load, watching(app, "STARTED") as watch:
        deploy = background.submit(app.deploy, "v2", ansible_python_interpreter=faults.SHIFTED_PYTHON)
        assert watch.reached()
        faults.set_clock(app, f"-{DAY}")
        watch.close()
        play = deploy.result().succeeded()
    mixed_load_was_served(load)
    assert "CLOCK_OFFSET: " in play.unfolded and "ahead of" in play.unfolded, play.output
    assert app.releases[app.live]["tag"] == "v2"
    app.assert_tidy()


@pytest.mark.fault(
    row=40, fault="engine restarted, without live-restore", code="–", serves="nobody for as long as it takes", says="LIVE_RESTORE"
)
def test_without_live_restore_an_engine_restart_is_an_outage_and_deploys_say_so(app: App) -> None:
    app.on_host("sed", "--in-place", 's/"live-restore": true/"live-restore": false/', "/etc/docker/daemon.json")
    # Not by a restart: an engine that finds containers of one with live-restore stops them for good.
    app.on_host("systemctl", "reload", "docker")
    started, before = time.monotonic(), app.running()
    app.on_host("systemctl", "restart", "docker")
    while not is_answering(app):
        assert time.monotonic() - started < OUTAGE_SECONDS, "the app does not come back"
    print(f"outage of {time.monotonic() - started:.1f} s")
    assert app.running() != before
    play = app.deploy("v2").succeeded()
    assert "LIVE_RESTORE: " in play.unfolded, play.output
    app.assert_tidy()


def is_answering(app: App) -> bool:
    """Whether users get an answer of the app."""
    try:
        return app.get("/ready")[0] == 200
    except OSError:
        return False
