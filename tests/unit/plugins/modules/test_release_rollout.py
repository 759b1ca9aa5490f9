"""The switch: a release goes live when it is ready, and back when it does not hold what it promised."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._probe import Answer
from ansible_collections.fairlead.fastapi.plugins.modules.release_rollout import rollout
from fakes import BUSY, fails, good
from fakes_host import Host


@pytest.fixture
def ready_to_switch(host: Host) -> Host:
    """`r1` serves, `r2` is prepared by this run and will answer well."""
    host.serves("v1")
    host.prepared("v2")
    host.holds("run1")
    host.answers.direct = [BUSY, good("r2")]
    host.answers.public = [good("r1"), good("r2")]  # one request more goes to the old release
    return host


def test_a_good_release_goes_live(ready_to_switch: Host) -> None:
    host = ready_to_switch
    stage = host.stage(release="r2")
    assert rollout(stage)["changed"] is True
    assert [step["step"] for step in stage.steps.done] == ["start", "ready", "switch", "verify"]
    assert (host.live, host.leased) == ("r2", True)
    assert (host.record("r1")["status"], host.record("r2")["status"]) == ("kept", "live")
    assert host.record("r2")["revision"] == "0002"
    assert host.engine.told == ["compose up shop-r2"], "the old release still runs: finish stops it"


def start_fails(host: Host) -> None:
    host.engine.compose_leaves = Finished(1, "", "no such network")


def never_ready(host: Host) -> None:
    host.answers.direct = [BUSY]


def is_somebody_else(host: Host) -> None:
    host.answers.direct = [good("r7")]


def edge_does_not_follow(host: Host) -> None:
    host.answers.public = [good("r1")]


def edge_answers_badly(host: Host) -> None:
    host.answers.public = [Answer(502, {}, "")]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (start_fails, "START_FAILED"),
        (never_ready, "NOT_READY"),
        (is_somebody_else, "WRONG_RELEASE"),
        (edge_does_not_follow, "VERIFY_FAILED"),
        (edge_answers_badly, "VERIFY_FAILED"),
    ],
)
@pytest.mark.parametrize("first", [False, True])
def test_a_bad_release_leaves_everything_as_it_was(ready_to_switch: Host, fault: object, code: str, first: bool) -> None:
    host = ready_to_switch
    if first:
        host.paths.route.unlink()
    assert callable(fault)
    fault(host)
    with fails(code):
        rollout(host.stage(release="r2"))
    assert (host.live, host.leased) == (None if first else "r1", False)
    assert (host.record("r2")["status"], host.record("r2")["reason"]) == ("failed", code)
    assert list(host.engine.present) == ["r1"]
    assert not host.paths.bundle("r2").exists()


def test_a_rollback_target_that_fails_is_stopped_and_stays_a_target(host: Host) -> None:
    host.serves("v1", "v2")
    host.holds("run1")
    host.answers.direct = [BUSY]
    with fails("NOT_READY"):
        rollout(host.stage(release="r1"))
    assert (host.live, host.record("r1")["status"]) == ("r2", "kept")
    assert host.paths.bundle("r1").is_dir()
    assert host.engine.told[-1] == "stop container-r1"


def test_without_the_lease_nothing_starts(ready_to_switch: Host) -> None:
    with fails("LEASE_LOST"):
        rollout(ready_to_switch.stage(release="r2", run="run2"))
    assert (ready_to_switch.live, ready_to_switch.engine.told) == ("r1", [])


def test_check_mode_starts_nothing(ready_to_switch: Host) -> None:
    host = ready_to_switch
    before = host.files()
    assert rollout(host.stage(check_mode=True, release="r2")) == {"changed": True}
    assert (host.files(), host.engine.told) == (before, [])
