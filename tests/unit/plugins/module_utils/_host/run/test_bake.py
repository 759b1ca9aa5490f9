"""A release is watched after the switch, and what it must not do is told as soon as it is seen."""

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.limits import MEGABYTE, Responses
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import Answer
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import edge
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.bake import INTERVAL, Bake
from fakes import APP, BUSY, fails, good
from fakes_host import SETTINGS, Host, settings_with
from fakes_proc import Proc

GOOD = good("r1")
OTHER = good("r9")
SILENT = Answer(error="TimeoutError: timed out")
SECONDS = float(SETTINGS["bake_seconds"])
BEFORE = Responses(1000, 10)


def bake(host: Host, **changes: Any) -> Bake:
    """Begin to watch `r1`, which runs and answers well."""
    host.is_switched_to(host.prepared("v1", **changes))
    host.answers.direct = host.answers.direct or [GOOD]
    candidate = Candidate(host.paths, "r1")
    return Bake(candidate, candidate.running_container(), edge.Answers(APP))


def test_nothing_happens(host: Host) -> None:
    watch = bake(host)
    began = host.clock.now
    assert watch.watch() is None
    assert SECONDS <= host.clock.now - began <= SECONDS + INTERVAL


def restarts(host: Host) -> None:
    host.engine.present["r1"]["RestartCount"] = 1


def was_started_anew_by_hand(host: Host) -> None:
    host.engine.present["r1"]["State"]["StartedAt"] = "2026-01-01T00:00:05Z"


def stops(host: Host) -> None:
    host.engine.present["r1"]["State"].update(Running=False, Status="exited", ExitCode=3)


def is_killed_for_memory(host: Host) -> None:
    host.engine.present["r1"]["State"].update(Running=False, Status="exited", ExitCode=137)


def goes(host: Host) -> None:
    del host.engine.present["r1"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (restarts, "it ended by itself and was started again"),
        (was_started_anew_by_hand, "it ended by itself and was started again"),
        (stops, "it ended by itself with exit code 3"),
        (is_killed_for_memory, "it ended by itself with exit code 137 (killed; most often for memory"),
        (goes, "its container is gone"),
    ],
)
@pytest.mark.parametrize("after", [0.0, 4.0])
def test_a_container_that_does_not_last(host: Host, fault: Callable[[Host], None], words: str, after: float) -> None:
    watch = bake(host)
    began = host.clock.now

    def happens() -> None:
        if host.clock.now >= began + after:
            host.clock.while_asleep = lambda: None
            fault(host)

    host.clock.while_asleep = happens
    with fails("BAKE_FAILED") as caught:
        watch.watch()
    assert host.clock.now - began <= after + 2 * INTERVAL, "it is told at once"
    assert words in caught.value.what
    assert "r1 (registry.lab:5000/shop/api:v1) failed after the switch" in caught.value.what
    assert caught.value.details == ["last log lines:", "  last words of container-r1"]


def test_a_restart_before_the_switch_is_not_held_against_it(host: Host) -> None:
    host.is_switched_to(host.prepared("v1"))
    host.engine.present["r1"]["RestartCount"] = 2
    host.answers.direct = [GOOD]
    candidate = Candidate(host.paths, "r1")
    Bake(candidate, candidate.running_container(), edge.Answers(APP)).watch()


@pytest.mark.parametrize(
    ("replies", "lasts"),
    [
        ([GOOD, BUSY, BUSY, GOOD], True),
        ([GOOD, BUSY, SILENT, GOOD, BUSY, BUSY, GOOD], True),
        ([GOOD, BUSY, SILENT, BUSY, GOOD], False),
        ([SILENT], False),
        ([OTHER], False),
    ],
)
def test_bad_answers_in_a_row(host: Host, replies: list[Answer], lasts: bool) -> None:
    host.answers.direct = list(replies)
    watch = bake(host)
    if lasts:
        watch.watch()
        return
    with fails("BAKE_FAILED") as caught:
        watch.watch()
    assert "3 bad answers in a row at /ready" in caught.value.what
    assert [line.partition(":")[0] for line in caught.value.details[:3]] == ["answer"] * 3


def counts(host: Host, requests_per_second: int, errors_per_second: int) -> None:
    """Have the edge count from what it had before."""
    began = host.clock.now
    host.edge.counts = lambda: Responses(
        BEFORE.all + int((host.clock.now - began) * requests_per_second),
        BEFORE.errors + int((host.clock.now - began) * errors_per_second),
    )


@pytest.mark.parametrize(
    ("requests", "errors", "lasts"),
    [
        (100, 0, True),
        (100, 5, True),  # 1 % before, 5 % more are allowed
        (100, 8, False),
        (1, 1, True),  # too few to tell
    ],
)
def test_the_share_of_errors(host: Host, requests: int, errors: int, lasts: bool) -> None:
    counts(host, requests, errors)
    watch = bake(host)
    began = host.clock.now
    if lasts:
        assert watch.watch() == Responses(int(requests * (host.clock.now - began)), int(errors * (host.clock.now - began)))
        return
    with fails("BAKE_FAILED") as caught:
        watch.watch()
    assert host.clock.now - began < 2
    assert "were answered with 5xx since the switch; before it 1% of 1000" in caught.value.what


@pytest.mark.parametrize(("told", "returned"), [(False, None), (True, Responses(0, 0))])
def test_a_proxy_without_a_log_is_no_reason_to_switch_back(host: Host, told: bool, returned: Responses | None) -> None:
    if told:
        counts(host, 100, 100)
    watch = bake(host)
    host.edge.counts = lambda: None
    assert watch.watch() == returned


@pytest.mark.parametrize("after", [0.0, 4.0])
def test_a_worker_killed_for_memory_is_seen_although_another_takes_its_place(host: Host, proc: Proc, after: float) -> None:
    proc.memory(4711, 0)
    watch = bake(host)
    began = host.clock.now
    host.clock.while_asleep = lambda: proc.memory(4711, int(host.clock.now >= began + after))
    with fails("BAKE_FAILED") as caught:
        watch.watch()
    assert host.clock.now - began <= after + 2 * INTERVAL
    assert "a process of it was killed because its memory was full" in caught.value.what
    assert caught.value.todo.startswith("raise app_release_memory")


@pytest.mark.parametrize(
    ("uses", "health", "told"),
    [
        (100, "healthy", []),
        (500, "starting", ["MEMORY_NEAR"]),
        (500, "unhealthy", ["MEMORY_NEAR", "UNHEALTHY"]),
    ],
)
def test_what_is_not_wrong_yet_is_warned_of(host: Host, uses: int, health: str, told: list[str]) -> None:
    host.engine.memory = uses * MEGABYTE
    watch = bake(host, settings=settings_with(memory_bytes=512 * MEGABYTE))
    host.engine.present["r1"]["State"]["Health"] = {"Status": health}
    assert [warning.partition(":")[0] for warning in watch.warnings()] == told
