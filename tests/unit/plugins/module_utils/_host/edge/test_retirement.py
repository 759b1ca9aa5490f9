"""A release that users no longer get is stopped by a unit, which a stage that needs the release takes back."""

import os

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base import proc as _proc
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import retirement
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import write_route
from fakes import service
from fakes_host import Host
from fakes_proc import EDGE, Proc

UNIT = "fairlead-retire-shop-r1"


@pytest.fixture
def retiring(host: Host) -> Host:
    """A host where r2 is live, and r1 runs still."""
    host.serves("v1", "v2")
    host.engine.present["r1"]["State"]["Running"] = True
    return host


def test_a_unit_waits_for_its_time_or_begins_at_once(retiring: Host) -> None:
    assert retirement.begin(retiring.paths, "r1", 600.0)
    assert retiring.units.active == {f"{UNIT}.timer"}
    assert retirement.begin(retiring.paths, "r1")
    assert retiring.units.active == {f"{UNIT}.service"}
    assert retirement.is_under_way("shop", "r1")
    assert retirement.begin(retiring.paths, "r1")
    assert retiring.units.begun == ["r1 in 600 s", "r1"]


def test_a_restart_of_the_host_does_not_bring_it_back(retiring: Host) -> None:
    retirement.begin(retiring.paths, "r1")
    assert retiring.engine.present["r1"]["HostConfig"]["RestartPolicy"]["Name"] == "no"


@pytest.mark.parametrize(
    ("since_switch", "waits"),
    [(0.0, 0.5), (0.2, 0.3), (9.0, 0.0), (-3600.0, 0.5)],  # the last: the clock was set back meanwhile
)
def test_requests_on_their_way_arrive_before_the_stop(retiring: Host, since_switch: float, waits: float) -> None:
    started = retiring.clock.now
    os.utime(retiring.paths.route, (started - since_switch, started - since_switch))
    assert retirement.stop(retiring.paths, "r1")["cut"] == 0
    assert retiring.clock.now - started == pytest.approx(waits, abs=0.001)
    assert retiring.engine.told[-1] == "stop container-r1"


def test_a_release_that_is_live_again_is_not_stopped(retiring: Host) -> None:
    write_route(retiring.paths, "r1")
    assert retirement.stop(retiring.paths, "r1")["live"]
    assert retiring.engine.told == []


def test_what_was_cut_is_told_once(retiring: Host, proc: Proc) -> None:
    retiring.engine.projects["edge"] = [service("edge", "caddy", Pid=EDGE)]
    proc.unix(4711, connected=3)
    retiring.background.seconds = 40
    retiring.engine.stop_exit_code = 137
    assert retirement.stop(retiring.paths, "r1")["cut"] == 3
    (told,) = retirement.cuts(retiring.paths)
    assert told.startswith("CUT: 3 requests to r1, at ")
    assert retirement.cuts(retiring.paths) == []


def test_a_damaged_note_of_cut_requests_stops_nobody(retiring: Host) -> None:
    retiring.paths.cut("r1").write_text("{")
    assert retirement.cuts(retiring.paths) == []
    assert not retiring.paths.cut("r1").exists()


def test_a_warm_release_is_taken_as_it_runs(retiring: Host) -> None:
    retirement.begin(retiring.paths, "r1", 600.0)
    assert retirement.start(Candidate(retiring.paths, "r1"))
    assert retiring.units.active == set()
    assert retiring.engine.told == ["let end container-r1"]


def test_a_release_that_is_being_stopped_ends_before_it_starts_again(retiring: Host) -> None:
    retirement.begin(retiring.paths, "r1")

    def end() -> None:
        retiring.units.end("r1")
        retiring.engine.present["r1"]["State"]["Running"] = False

    retiring.clock.while_asleep = end
    assert not retirement.start(Candidate(retiring.paths, "r1"))
    assert retiring.engine.told == ["let end container-r1", "start container-r1"]


def test_a_warm_release_that_lost_a_process_is_started_anew(retiring: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_proc, "killed_for_memory", lambda pid: 1)
    assert not retirement.start(Candidate(retiring.paths, "r1"))
    assert retiring.engine.told == ["stop container-r1", "start container-r1"]


def test_nothing_else_runs_while_the_database_changes(retiring: Host) -> None:
    retirement.begin(retiring.paths, "r1", 600.0)
    retirement.complete(retiring.paths)
    assert retiring.units.active == set()
    assert retiring.engine.told == ["let end container-r1", "stop container-r1"]
