"""Two apps behind one proxy. What the one's operator does, and what its containers do, is nothing to the other's users."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from lab import links
from lab.probe import Report
from lab.story import PROXY_ONLY, THOROUGH, App
from lab.websocket import WebSocket, WebSocketClosed

RATE = 40
CHANGES = 100 if THOROUGH else 8
# HTTP/1.1 requests that a reload may cut: 0.2 on average were measured on a quiet machine, 1 where many processes wait for two cores.
AVERAGE, AT_ONCE = 1.5, 3


PATIENT = ["gunicorn", "--config", "gunicorn.conf.py", "--worker-class", "unruly.Worker", "--timeout", "60", "unruly:create_app()"]


@pytest.fixture(scope="module")
def other() -> App:
    """The neighbour: it listens on TCP, so the proxy must get into its network."""
    return App("other", variables={"app_listen": "tcp"})


@pytest.fixture(scope="module")
def user(app: App) -> App:
    """The app whose users must notice nothing, with a release that has a WebSocket."""
    # A worker that is recycled after so many requests, or replaced on a busy machine, closes its WebSockets.
    app.deploy("unruly", app_env=app.env(MAX_REQUESTS="0"), app_release_command=PATIENT).succeeded()
    return app


@contextmanager
def talking(app: App) -> Iterator[list[int | None]]:
    """Keep a WebSocket in use; the yielded list has what it was closed with, if it was."""
    socket, ended, closed = WebSocket(app, "/echo"), threading.Event(), list[int | None]()

    def talk() -> None:
        try:
            while not ended.is_set():
                socket.ask("hello")
                time.sleep(0.05)
        except WebSocketClosed as end:
            closed.append(end.code)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(talk)
        try:
            yield closed
        finally:
            ended.set()
            done.result()
            socket.close()


def proxy(app: App) -> str:
    """Return which container the proxy is, and since when it runs."""
    return app.on_host("docker", "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", links.PROXY).strip()


def assert_only_reloads_cost(report: Report, reloads: int, what: str) -> None:
    """Check that nothing but HTTP/1.1 connections at a reload were cut, and print the failures for 100 reloads."""
    by_kind = {kind: numbers.failed for kind, numbers in report.by_kind.items()}
    print(f"{what}: {report.failed} of {report.requests} requests failed in {reloads} reloads: {by_kind}")
    print(f"{what}: failures for 100 reloads: { ({kind: round(100 * failed / max(reloads, 1)) for kind, failed in by_kind.items()}) }")
    assert by_kind["http2"] == by_kind["stream"] == 0, report.failures
    assert all("closed by the server" in failure.error or "connection lost" in failure.error for failure in report.failures), (
        report.failures
    )
    assert report.failed <= (AVERAGE * reloads + AT_ONCE if reloads else 0), report.failures
    assert not report.lost and not report.doubled, report.suspects


@pytest.mark.fault(row=80, fault="app links its socket to another one", code="–", serves="nobody of that app (502)", says="–")
@pytest.mark.parametrize("aim", ["the proxy's administration", "a socket that the proxy may open"])
def test_a_link_in_place_of_a_socket_leads_nowhere(user: App, aim: str) -> None:
    target = links.ADMINISTRATION if aim == "the proxy's administration" else links.own_socket(user)
    with links.planted(user, target):
        assert [user.get(path)[0] for path in ("/config/", "/ready")] == [502, 502]
        assert "api.sock is not a socket" in user.play("status").succeeded().unfolded
    assert user.get("/ready")[0] == 200
    user.assert_tidy()


@pytest.mark.fault(
    row=81, fault="an app on the same host is added, changed, broken, rolled back", code="–", serves="all apps", says="failures per change"
)
def test_users_notice_nothing_of_a_neighbour(user: App, other: App) -> None:
    deeds: list[tuple[str, Callable[[], object], int]] = [
        ("provisioned", lambda: other.play("provision").succeeded(), 1),
        ("deployed", lambda: other.deploy("v1").succeeded(), 0),
        ("deployed again", lambda: other.deploy("v2").succeeded(), 0),
        ("broken", lambda: other.deploy("crashing").failed_with("APP_EXIT"), 0),
        ("rolled back", lambda: other.rollback().succeeded(), 0),
        ("given another domain", lambda: other.play("provision", *PROXY_ONLY, app_domain="moved.lab").succeeded(), 1),
        ("provisioned again", lambda: other.play("provision", *PROXY_ONLY, app_domain="moved.lab").succeeded(), 0),
        ("given its domain back", lambda: other.play("provision", *PROXY_ONLY).succeeded(), 1),
    ]
    before = proxy(user)
    for what, deed, reloads in deeds:
        with talking(user) as closed, user.load(RATE) as load:
            deed()
        assert proxy(user) == before, f"{what}: the proxy was started anew"
        assert closed == [], f"{what}: the WebSocket was closed"
        assert_only_reloads_cost(load.report, reloads, what)
    assert other.get("/ready")[1]["x-release"] == other.live


def test_the_proxy_is_in_a_neighbours_network_after_a_restart(user: App, other: App) -> None:
    user.on_host("docker", "restart", links.PROXY)
    deadline = time.monotonic() + 30
    while True:
        try:
            if (user.get("/ready")[0], other.get("/ready")[0]) == (200, 200):
                return
        except OSError:
            pass  # nobody listens yet
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_what_a_reload_costs(user: App) -> None:
    with talking(user) as closed, user.load(RATE) as load:
        for _ in range(CHANGES):
            links.reload_proxy(user)
    assert closed == [], "the WebSocket was closed"
    assert_only_reloads_cost(load.report, CHANGES, "reloads")


@pytest.mark.fault(
    row=82, fault="a neighbour answers 5xx while a good release is watched", code="–", serves="the new release", says="its own requests"
)
def test_a_neighbours_errors_do_not_count(user: App, other: App) -> None:
    other.deploy("failing", app_domain=other.domain, app_release_bake_errors=1).succeeded()
    ended = threading.Event()

    def fail() -> None:
        while not ended.is_set():
            if user.journal["phase"] == "SWITCHED":
                assert [other.get("/items")[0] for _ in range(20)] == [500] * 20

    with ThreadPoolExecutor(1) as pool, user.load(RATE):
        failing = pool.submit(fail)
        try:
            user.deploy("v2", app_release_bake_seconds=5).succeeded()
        finally:
            ended.set()
        failing.result()
    user.assert_tidy()


@pytest.mark.fault(
    row=83,
    fault="a neighbour's good answers beside a bad release",
    code="BAKE_FAILED",
    serves="the old release again",
    says="its own share",
)
def test_a_neighbours_good_answers_hide_nothing(user: App, other: App) -> None:
    other.deploy("v4", app_domain=other.domain).succeeded()
    live = user.live
    with other.load(150, profile="foreign", paths=["/health"]), user.load(6, audit=False):
        play = user.deploy("failing", app_release_bake_seconds=20).failed_with("BAKE_FAILED")
    assert "were answered with 5xx since the switch" in play.unfolded
    assert user.live == live
    user.assert_tidy()
