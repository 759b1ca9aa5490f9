"""A volume that only one release may have: the old one ends before the new one begins, and serves again when that was in vain."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.containers import running_releases
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import write_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.snapshot import observe
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import handover
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.entry import PHASES, STOPPING
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.recovery import recover
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages.release_rollout import run as rollout
from fakes import BUSY, fails, good, service
from fakes_host import SETTINGS, Host, settings_with
from fakes_proc import EDGE, Proc


def settings(**volume: Any) -> Settings:
    return settings_with(volumes=[{"name": "data", "path": "/data", **volume}])


ALONE = settings(exclusive=True)


@pytest.fixture(autouse=True)
def never_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens, no release is started while another one runs."""
    start = Candidate.start

    def alone(self: Candidate) -> None:
        running = running_releases(docker.containers(self.paths.app))
        assert set(running) <= {self.id}, f"{self.id} is started while {running} run"
        start(self)

    monkeypatch.setattr(Candidate, "start", alone)


@pytest.fixture
def prepared(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """`r1` serves with an exclusive volume, `r2` is prepared by this run and will answer well."""
    monkeypatch.setattr(handover, "time", host.clock)
    host.serves("v1", settings=ALONE)
    host.holds("run1", release=host.prepared("v2", settings=ALONE))
    host.answers.direct = [BUSY, good("r2")]
    host.answers.of["r1"] = good("r1")
    host.answers.public = [good("r2")]
    host.background.seconds = 2.0
    return host


def running(host: Host) -> list[str]:
    return [name for name, one in host.engine.present.items() if one["State"]["Running"]]


@pytest.mark.parametrize(
    ("old", "new", "volumes"),
    [
        (settings(), settings(), []),
        (ALONE, ALONE, ["data"]),
        # Whichever of the two needs it alone.
        (settings(), ALONE, ["data"]),
        (ALONE, settings(), ["data"]),
        (SETTINGS, ALONE, []),
        (ALONE, SETTINGS, []),
        (ALONE, settings_with(volumes=[{"name": "other", "path": "/data", "exclusive": True}]), []),
    ],
)
def test_what_two_releases_cannot_both_have(host: Host, old: dict[str, Any], new: dict[str, Any], volumes: list[str]) -> None:
    host.serves("v1", settings=old)
    candidate = Candidate(host.paths, host.prepared("v2", settings=new))
    assert handover.contested(host.paths, candidate, "r1") == volumes
    assert handover.contested(host.paths, candidate, None) == []


def test_a_release_of_which_nothing_is_known_may_have_it(host: Host) -> None:
    host.serves("v1", settings=ALONE)
    candidate = Candidate(host.paths, host.prepared("v2", settings=ALONE))
    (host.paths.bundle("r1") / "release.json").unlink()
    assert handover.contested(host.paths, candidate, "r1") == ["data"]


def test_the_old_release_ends_before_the_new_one_begins(prepared: Host) -> None:
    host = prepared
    stage = host.stage(release="r2")
    result = rollout(stage)
    assert [step["step"] for step in stage.steps.done] == ["stop", "start", "ready", "switch", "verify", "bake"]
    assert host.phases[2:] == [STOPPING, "STARTED", "READY", "SWITCHED", "BAKED"]
    assert (host.live, running(host)) == ("r2", ["r2"])
    assert 2 <= result["unserved_seconds"] < 3


def test_the_hand_over_file_exists_only_while_no_release_serves(prepared: Host) -> None:
    host = prepared
    seen: list[tuple[str | None, bool]] = []
    host.clock.while_asleep = lambda: seen.append((host.live, host.paths.handover.exists()))
    rollout(host.stage(release="r2"))
    assert ("r1", True) in seen and ("r1", False) not in seen
    assert ("r2", False) in seen and not host.paths.handover.exists()


def test_requests_that_the_stop_cut_are_warned_of(prepared: Host, proc: Proc) -> None:
    host = prepared
    host.engine.projects["edge"] = [service("edge", "caddy", Pid=EDGE)]
    proc.unix(4711, connected=3)
    host.background.seconds = 30.0
    stage = host.stage(release="r2")
    assert rollout(stage)["unserved_seconds"] >= 30
    (warning,) = stage.warnings
    assert warning.startswith("CUT: 3 requests to r1")


def test_the_first_release_stops_nothing(host: Host) -> None:
    host.holds("run1", release=host.prepared("v1", settings=ALONE))
    host.answers.direct = host.answers.public = [good("r1")]
    assert rollout(host.stage(release="r1"))["unserved_seconds"] == 0
    assert STOPPING not in host.phases


def start_fails(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    compose = host.engine.compose

    def refuses(project: str, *arguments: Any, **options: Any) -> Finished:
        return Finished(1, "", "no such network") if project.endswith("r2") else compose(project, *arguments, **options)

    monkeypatch.setattr(docker, "compose", refuses)


def never_ready(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.answers.of["r2"] = BUSY


def edge_does_not_follow(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.answers.public = [good("r1")]


def crashes_after_the_switch(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def crashes() -> None:
        if host.live == "r2" and "r2" in host.engine.present:
            host.engine.present["r2"]["RestartCount"] = 1

    host.clock.while_asleep = crashes


@pytest.mark.parametrize(
    ("fault", "code", "at_least"),
    [
        (start_fails, "START_FAILED", 2),
        (never_ready, "NOT_READY", 62),
        (edge_does_not_follow, "VERIFY_FAILED", 2),
        (crashes_after_the_switch, "BAKE_FAILED", 2),
    ],
)
def test_the_old_release_serves_again_when_it_was_in_vain(
    prepared: Host, monkeypatch: pytest.MonkeyPatch, fault: Any, code: str, at_least: float
) -> None:
    host = prepared
    fault(host, monkeypatch)
    with fails(code) as caught:
        rollout(host.stage(release="r2"))
    assert (host.live, running(host), host.statuses()) == ("r1", ["r1"], {"r1": "live", "r2": "failed"})
    assert not host.unfinished
    said = caught.value.message
    assert not host.paths.handover.exists()
    assert "r1 had been stopped for it and was started again: nobody was served for" in said
    assert "Serving now: r1" in said
    assert float(said.partition("nobody was served for ")[2].split()[0]) >= at_least


def test_the_failure_names_an_old_release_that_does_not_start_again(prepared: Host) -> None:
    host = prepared
    host.answers.of.update(r1=BUSY, r2=BUSY)
    with fails("NOT_READY") as caught:
        rollout(host.stage(release="r2"))
    assert "r1 had been stopped for it and could not be started again, so nobody is served: NOT_READY" in caught.value.what
    assert host.paths.handover.exists(), "users get the page, until somebody serves them"
    assert (host.live, running(host)) == ("r1", ["r1"])


REACHED = (*PHASES[: PHASES.index("STARTED")], STOPPING, *PHASES[PHASES.index("STARTED") : PHASES.index("COMMITTED")])


def died(host: Host, phase: str, old_ended: bool = True) -> None:
    """Have a deploy of `r2` with an exclusive volume die as soon as it wrote this phase."""
    host.serves("v1", settings=ALONE)
    host.answers.of["r1"] = good("r1")
    host.paths.handover.touch()
    journal = host.journal("run0", "bob@ci")
    journal.begin("deploy", "r1")
    for reached in REACHED[1 : REACHED.index(phase) + 1]:
        if reached == "PREPARED":
            host.prepared("v2", settings=ALONE)
        if reached == STOPPING and old_ended:
            host.engine.present["r1"]["State"]["Running"] = False
        if reached == "STARTED":
            host.engine.present["r1"]["State"]["Running"] = False
            host.engine.up(host.paths.bundle("r2"))
        if reached == "SWITCHED":
            write_route(host.paths, "r2")
        journal.enter(reached, "r2" if reached == "PREPARED" else None)


@pytest.mark.parametrize("phase", REACHED[: REACHED.index("SWITCHED")])
@pytest.mark.parametrize("old_ended", [True, False])
def test_who_died_before_the_switch_left_the_old_release_serving(host: Host, phase: str, old_ended: bool) -> None:
    died(host, phase, old_ended)
    (told,) = recover(host.paths, host.journal("run9"), observe(host.paths))[1]
    assert (host.live, running(host), host.phases[-1]) == ("r1", ["r1"], "ABORTED")
    assert ("was started again" in told) == (REACHED.index(phase) >= REACHED.index(STOPPING))
    assert recover(host.paths, host.journal("run9"), observe(host.paths))[1] == []
    assert not host.paths.handover.exists()


@pytest.mark.parametrize("phase", REACHED[REACHED.index("SWITCHED") :])
@pytest.mark.parametrize(
    ("new", "old", "live", "end"),
    [
        (good("r2"), good("r1"), "r2", "COMMITTED"),
        (BUSY, good("r1"), "r1", "REVERTED"),
        (BUSY, BUSY, "r2", "COMMITTED"),
    ],
)
def test_who_died_after_the_switch_left_one_release_of_the_two(host: Host, phase: str, new: Any, old: Any, live: str, end: str) -> None:
    died(host, phase)
    host.answers.of.update(r1=old, r2=new)
    recover(host.paths, host.journal("run9"), observe(host.paths))
    assert (host.live, running(host), host.phases[-1]) == (live, [live], end)
    assert not host.paths.handover.exists()


def test_an_old_release_that_cannot_start_keeps_no_run_from_going_on(host: Host) -> None:
    died(host, STOPPING)
    host.answers.of["r1"] = BUSY
    recover(host.paths, host.journal("run9"), observe(host.paths))
    assert (host.live, host.phases[-1]) == ("r1", "ABORTED")
