"""Maintenance: who gets the page, and what goes on behind it."""

import pytest

from lab.hosts import BOOT_SECONDS
from lab.proxy import answers, eventually
from lab.story import App


def test_maintenance_answers_all_but_readiness_checks(app: App) -> None:
    before = app.fingerprint()
    assert app.play("maintenance", "--check", "--diff", maintenance="on").succeeded().changed == 1
    assert app.fingerprint() == before
    # As the command line hands it over, and as YAML understands it.
    assert app.play("maintenance", "-e", "maintenance=on").succeeded().changed == 1
    assert app.play("maintenance", maintenance=True).succeeded().changed == 0
    for method in ("GET", "POST"):
        status, headers, body = app.request(method, "/items")
        assert (status, headers["retry-after"], headers["cache-control"]) == (503, "90", "no-store")
        assert headers["content-type"].startswith("text/html") and "edge-story.lab is being maintained" in body
    assert (app.get("/health")[0], app.get("/ready")[0]) == (200, 200)


def test_a_deploy_works_behind_the_page(app: App) -> None:
    first = app.live
    app.deploy("v2").succeeded()
    assert app.live != first
    assert (app.get("/items")[0], app.get("/ready")[1]["x-release"]) == (503, app.live)
    assert answers(app, 503) == answers(app, 200, page=True) == 0, "a deploy would count what the app did not answer"
    assert answers(app, 503, page=True) > 0


@pytest.mark.fault(row=35, fault="power cut during maintenance", code="-", serves="the live release, behind the page", says="-")
def test_page_and_live_release_survive_a_reboot(app: App) -> None:
    live = app.live
    app.host.kill()
    app.host.start()
    eventually(lambda: app.get("/ready")[1].get("x-release") == live, BOOT_SECONDS)
    assert (app.get("/items")[0], app.live) == (503, live)
    eventually(lambda: answers(app, 503, page=True) > 0)


def test_after_maintenance_users_are_back(app: App) -> None:
    page = "<!doctype html><p>moving house"
    assert app.play("maintenance", maintenance="on", edge_proxy_maintenance_page=page).succeeded().changed == 1
    assert app.get("/")[2] == page
    assert app.play("maintenance", "-e", "maintenance=off").succeeded().changed == 1
    assert app.play("maintenance", maintenance=False).succeeded().changed == 0
    assert app.get("/items")[0] == 200
    app.assert_tidy()


@pytest.mark.parametrize("value", ["maybe", ""])
def test_maintenance_is_on_or_off(app: App, value: str) -> None:
    play = app.play("maintenance", maintenance=value).failed_with("CONFIG")
    assert "-e maintenance=on" in play.unfolded
    assert app.get("/items")[0] == 200
