"""What goes wrong once users have the new release: the old one is put back by itself, or the engine helps, or one command does."""

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import faults
from lab.probe import Report
from lab.story import App
from lab.websocket import WebSocket, WebSocketClosed

# What is promised from the moment a failure can be seen; and how long `dying` lives after its first request.
BACK_SECONDS = 3.0
LIFE_SECONDS = 1.0
ANSWER_SECONDS = 60.0
# Longer than any deploy takes, here on a busy machine.
DEPLOY_SECONDS = 180.0
# gunicorn's time limit in the release `unruly`, and its look at the clock.
REPLACED_SECONDS = 5.0 + 3.0
# Few enough that the probe lists every failure.
RATE = 20
# Short limits, one within the other, so that what outlasts them is cut soon.
LIMITS = {"app_release_request_seconds": 4, "app_release_worker_grace_seconds": 8, "app_release_stop_grace_seconds": 20}
ENV_LIMITS = {"LONG_POLL_LIMIT_SECONDS": "3"}


@pytest.mark.parametrize(
    ("tag", "life_seconds", "evidence"),
    [
        pytest.param(
            *("dying", LIFE_SECONDS, "ended by itself .*last log lines"),
            id="dies",
            marks=pytest.mark.fault(
                row=18,
                fault="crash while it is watched",
                code="BAKE_FAILED",
                serves="the old release again",
                says="exit code, last log lines",
            ),
        ),
        pytest.param(
            *("failing", 0.0, "[0-9]+% of [0-9]+ requests were answered with 5xx since the switch; before it [0-9]+% of [0-9]+; "),
            id="answers 5xx",
            marks=pytest.mark.fault(
                row=19, fault="5xx after the switch", code="BAKE_FAILED", serves="the old release again", says="shares before and after"
            ),
        ),
    ],
)
def test_the_old_release_is_put_back(app: App, tag: str, life_seconds: float, evidence: str) -> None:
    live, running = app.live, app.running()
    with app.load(RATE, audit=False) as load:
        play = app.deploy(tag, app_release_bake_seconds=10).failed_with("BAKE_FAILED")
        app.settle()
    assert re.search(evidence, play.unfolded) and f"Serving now: {live}" in play.unfolded, play.output
    assert (app.live, app.running(), app.journal["phase"]) == (live, running, "REVERTED")
    assert_failures_belong_to_the_bad_release(load.report, live, life_seconds)
    app.assert_tidy()


def assert_failures_belong_to_the_bad_release(report: Report, live: str, life_seconds: float) -> None:
    """Only what was sent to the bad release failed, and not for longer than is promised."""
    (bad,) = (seen for release, seen in report.releases.items() if release != live)
    assert report.failed == len(report.failures), "the probe lists only the first failures: lower the rate"
    print(f"{report.failed} of {report.requests} requests failed, from {bad.first:.1f} s on; longest gap {report.longest_gap_ms:.0f} ms")
    # A long request is in flight for some time before it fails.
    allowed = (bad.first - 1.0, bad.first + life_seconds + BACK_SECONDS)
    late = [failure for failure in report.failures if not allowed[0] <= failure.at <= allowed[1] or failure.release == live]
    assert not late, late
    assert report.longest_gap_ms < 1000 * BACK_SECONDS


@pytest.fixture(scope="module")
def mortal(app: App) -> str:
    """A release that does well until it is poisoned."""
    app.deploy("dying", app_env=app.env(DIE_AFTER_SECONDS="86400")).succeeded()
    return app.live


@pytest.mark.fault(row=20, fault="crash after commit", code="–", serves="the release itself, restarted", says="–")
def test_the_engine_restarts_a_release_that_crashes_after_commit(app: App, mortal: str) -> None:
    started = app.running()
    faults.kill_process(app)
    await_ready(app, mortal)
    assert app.running() != started
    app.assert_tidy()


@pytest.mark.fault(
    row=20,
    fault="crashes again and again",
    code="–",
    serves="the release before, after one command",
    says="status: how often it was restarted",
)
def test_one_command_leads_away_from_a_release_that_keeps_crashing(app: App, mortal: str) -> None:
    before = app.releases[mortal]["previous"]
    app.on_host("touch", f"/var/lib/fairlead/{app.name}/{mortal}/poison")
    faults.kill_process(app)
    status = app.play("status").succeeded()
    # The engine starts it again and again, later each time: it is either down, or refuses connections.
    assert re.search(rf"{mortal} is live since \S+, .*(exit code|restarted \d+ times)", status.unfolded), status.output
    app.rollback().succeeded()
    assert app.live == before
    app.assert_tidy()


@pytest.fixture(scope="module")
def unruly(app: App) -> Iterator[str]:
    """A release with two workers and requests that do not behave."""
    app.deploy("unruly", app_env=app.env(**ENV_LIMITS), **LIMITS).succeeded()
    yield app.live


@pytest.mark.fault(row=21, fault="event loop wedged", code="–", serves="the other workers", says="the app's log: WORKER TIMEOUT")
def test_a_wedged_worker_is_replaced_and_the_others_serve(app: App, unruly: str, background: ThreadPoolExecutor) -> None:
    wedged, deadline = background.submit(app.request, "POST", "/wedge"), time.monotonic() + REPLACED_SECONDS

    def ask() -> int:
        served = 0
        while not wedged.done():
            assert time.monotonic() < deadline, "the worker was not replaced"
            status = app.get("/items?limit=1")[0]
            if status != 200:  # it was with that worker, and was cut with it
                assert (status, wedged.result(timeout=2)[0]) == (502, 502)
                break
            served += 1
        return served

    # Several users: one whose connection from the proxy was to that worker waits until it is replaced.
    with ThreadPoolExecutor(8) as users:
        asking = [users.submit(ask) for _ in range(8)]
    assert wedged.result()[0] == 502
    assert sum(asked.result() for asked in asking) > 10
    assert "WORKER TIMEOUT" in app.on_host("sh", "-c", f"docker logs {app.name}-{unruly}-api-1 2>&1")
    app.assert_tidy()


@pytest.mark.fault(row=56, fault="request longer than the grace", code="–", serves="the new release", says="how many were cut")
@pytest.mark.fault(row=57, fault="WebSocket open through a deploy", code="–", serves="the new release", says="–")
def test_what_outlasts_the_old_release(app: App, unruly: str, background: ThreadPoolExecutor) -> None:
    """A WebSocket works until the old release stops and is then closed with a code; a request without end is cut, and counted."""
    asking = background.submit(app.get, "/stubborn", DEPLOY_SECONDS)
    socket, answers, switched = WebSocket(app, "/echo"), list[str](), threading.Event()
    assert socket.ask("hello") == f"{unruly} hello"

    def talk() -> int | None:
        try:
            while True:
                word = "after" if switched.is_set() else "before"
                answers.append(socket.ask(word))
                if app.live != unruly:
                    switched.set()
        except WebSocketClosed as closed:
            return closed.code
        finally:
            socket.close()

    talking = background.submit(talk)
    app.deploy("v4").succeeded()
    assert talking.result() == 1012  # "service restart": come back
    assert f"{unruly} after" in answers
    assert asking.result()[0] in (500, 502)
    app.assert_tidy()
    again = app.deploy("v4").succeeded()
    assert f"CUT: 1 requests to {unruly}" in again.unfolded
    assert again.changed == 0
    assert "CUT" not in app.deploy("v4").succeeded().unfolded


def await_ready(app: App, release: str) -> None:
    """Wait until a release answers again. Raises AssertionError when it does not."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        status, headers, body = app.get("/ready")
        if (status, headers.get("x-release")) == (200, release):
            return
        assert time.monotonic() < deadline, body
