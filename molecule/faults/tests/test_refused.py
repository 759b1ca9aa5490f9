"""What goes wrong before the switch: the old release serves on, without one failed request, and the message says what it was."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from lab import faults
from lab.registry import REGISTRY
from lab.releases import OTHER_PLATFORM
from lab.story import App, mixed_load_was_served

Fault = Callable[[App], AbstractContextManager[None]]
OLD = "the old release"
# Found out only when the release is on the host; everything else before anything is begun.
BEGUN = ("NOT_READY",)


CASES = [
    pytest.param(
        *(faults.refusing_registry, "v3", {}, "REGISTRY_UNREACHABLE", (REGISTRY.host, "3 tries", "refused")),
        id="registry refuses",
        marks=pytest.mark.fault(row=2, fault="registry down", code="REGISTRY_UNREACHABLE", serves=OLD, says="reference, tries, seconds"),
    ),
    pytest.param(
        *(faults.silent_registry, "v3", {"app_release_pull_seconds": 4}, "PULL_TIMEOUT", ("longer than 4 s",)),
        id="registry hangs",
        marks=pytest.mark.fault(row=3, fault="registry hangs", code="PULL_TIMEOUT", serves=OLD, says="the limit"),
    ),
    pytest.param(
        *(nullcontext, "other_platform", {}, "IMAGE_PLATFORM", (OTHER_PLATFORM, "this host is linux/")),
        id="image for another processor",
        marks=pytest.mark.fault(row=6, fault="wrong architecture", code="IMAGE_PLATFORM", serves=OLD, says="both platforms"),
    ),
    pytest.param(
        *(
            nullcontext,
            "flapping",
            {"app_release_ready_seconds": 12},
            "NOT_READY",
            ("answers were good", "HTTP 503", "flaps on purpose"),
        ),
        id="readiness flaps",
        marks=pytest.mark.fault(row=16, fault="readiness flaps", code="NOT_READY", serves=OLD, says="how many answers were good"),
    ),
]


@pytest.mark.parametrize(("fault", "tag", "variables", "code", "evidence"), CASES)
def test_users_notice_nothing(app: App, fault: Fault, tag: str, variables: dict[str, Any], code: str, evidence: tuple[str, ...]) -> None:
    live, revision, running, journal, images = app.live, app.revision, app.running(), app.journal, image_ids(app)
    with app.load() as load, fault(app):
        play = app.deploy(tag, **variables).failed_with(code)
    mixed_load_was_served(load)
    assert set(load.report.releases) == {live}
    for text in (*evidence, f"Serving now: {live}"):
        assert text in play.unfolded, play.output
    assert (app.live, app.revision, app.running()) == (live, revision, running)
    assert image_ids(app) == images or code in BEGUN, "something was pulled"
    assert app.journal == journal or (code in BEGUN and app.journal["code"] == code)
    assert app.host.run(["pgrep", "--full", "docker .*pull"]).stdout == ""
    app.assert_tidy()


@pytest.mark.parametrize(
    ("service", "code"),
    [
        pytest.param(
            *("postgres", "DB_UNREACHABLE"),
            marks=pytest.mark.fault(row=30, fault="database down", code="DB_UNREACHABLE", serves=f"{OLD}, as well as it can", says="which"),
        ),
        pytest.param(
            *("redis", "REDIS_UNREACHABLE"),
            marks=pytest.mark.fault(row=32, fault="Redis down", code="REDIS_UNREACHABLE", serves=f"{OLD}, as well as it can", says="which"),
        ),
    ],
)
def test_without_a_data_service_nothing_is_begun(app: App, service: str, code: str) -> None:
    running, images = app.running(), image_ids(app)
    with faults.stopped(app, service):
        play = app.deploy("large").failed_with(code)
        assert app.get("/health")[0] == 200
    assert f"{app.name}-data-{service}-1" in play.unfolded
    assert (app.running(), image_ids(app)) == (running, images)
    app.assert_tidy()


def image_ids(app: App) -> set[str]:
    """What images the host has."""
    return set(app.on_host("docker", "images", "--all", "--quiet", "--no-trunc").split())
