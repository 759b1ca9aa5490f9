"""A release is stopped after its last request; what its limits cut is counted."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge.drain import Connections, stop_release
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from fakes import FakeEngine, container, fails, service
from fakes_host import SETTINGS, Host, settings_with
from fakes_proc import EDGE, Proc

PID = 4711
TCP = settings_with(listen="tcp", port=8080)


@pytest.fixture(autouse=True)
def edge(engine: FakeEngine) -> None:
    """The proxy runs on this host."""
    engine.projects["edge"] = [service("edge", "caddy", Pid=EDGE)]


def count(engine: FakeEngine, settings: Settings) -> int | None:
    """Count the connections to `r1`."""
    engine.present["r1"] = container("r1")
    return Connections(engine.present["r1"], settings).count()


@pytest.mark.parametrize("connected", [0, 1, 12])
def test_connections_to_a_socket(engine: FakeEngine, proc: Proc, connected: int) -> None:
    proc.unix(PID, connected)
    proc.tcp(PID, 99, 8000)
    assert count(engine, SETTINGS) == connected


def test_connections_of_an_edge_elsewhere_are_not_known(engine: FakeEngine, proc: Proc) -> None:
    proc.unix(PID, 12)
    engine.projects.clear()
    assert count(engine, SETTINGS) == 0


@pytest.mark.parametrize("connected", [0, 1, 12])
def test_connections_to_a_port(engine: FakeEngine, proc: Proc, connected: int) -> None:
    proc.tcp(PID, connected, 8080)
    proc.unix(PID, 99)
    assert count(engine, TCP) == connected


@pytest.mark.parametrize("settings", [SETTINGS, TCP])
def test_of_a_process_that_is_gone_nothing_is_known(engine: FakeEngine, proc: Proc, settings: Settings) -> None:
    assert count(engine, settings) is None


@pytest.fixture
def running(host: Host, proc: Proc) -> Host:
    """`r1` runs with three requests, and takes ten seconds to stop."""
    host.serves("v1")
    proc.unix(PID, 3)
    host.background.seconds = 10.0
    return host


def ends_after(host: Host, proc: Proc, seconds: float) -> None:
    """Have all requests ended so long after now."""
    ends = host.clock.now + seconds

    def end() -> None:
        if host.clock.now >= ends:
            host.clock.while_asleep = lambda: None
            proc.unix(PID, 0)

    host.clock.while_asleep = end


@pytest.mark.parametrize(
    ("takes", "requests_end", "exit_code", "cut"),
    [
        (10.0, 5.0, 0, 0),  # the last request ended, then the release
        (10.0, 99.0, 0, 0),  # idle connections were closed, and it ended before its limit
        (30.2, 99.0, 0, 3),  # its workers gave up
        (30.2, 27.0, 0, 3),  # the app itself closed them, some time before its workers give up
        (30.2, 24.0, 0, 0),
        (40.0, 99.0, 137, 3),  # the engine killed it
        (10.0, 99.0, 137, 3),  # something else killed it
        (10.0, 5.0, 137, 0),  # nothing was left to cut
    ],
)
def test_requests_that_the_limits_cut(running: Host, proc: Proc, takes: float, requests_end: float, exit_code: int, cut: int) -> None:
    running.background.seconds = takes
    running.engine.stop_exit_code = exit_code
    ends_after(running, proc, requests_end)
    assert stop_release("shop", "r1", SETTINGS) == cut
    assert running.engine.told == ["stop container-r1"]


def test_without_settings_nothing_is_counted(running: Host) -> None:
    running.background.seconds = 40.0
    running.engine.stop_exit_code = 137
    assert stop_release("shop", "r1") == 0
    assert running.engine.told == ["stop container-r1"]


def test_only_what_runs_is_stopped_all_of_it(host: Host) -> None:
    host.serves("v1", "v2")
    host.engine.present["r2-migrate"] = container("r2", "migrate")
    stop_release("shop", "r2")
    stop_release("shop", "r1")
    assert host.engine.told == ["stop container-r2", "stop container-r2-migrate"]


@pytest.mark.parametrize(("stop_timeout", "grace"), [(40, 40), (None, 10)])
def test_the_grace_is_that_of_the_container(running: Host, monkeypatch: pytest.MonkeyPatch, stop_timeout: int | None, grace: int) -> None:
    given: list[int] = []
    stop = running.engine.stop

    def noted(identifier: str, seconds: int) -> None:
        given.append(seconds)
        stop(identifier, seconds)

    monkeypatch.setattr("ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.docker.stop", noted)
    running.engine.present["r1"]["Config"]["StopTimeout"] = stop_timeout
    stop_release("shop", "r1", SETTINGS)
    assert given == [grace]


def test_a_stop_that_fails_is_reported(running: Host) -> None:
    running.engine.failing["stop"] = ReleaseError("DOCKER_FAILED", "", "")
    with fails("DOCKER_FAILED"):
        stop_release("shop", "r1", SETTINGS)
