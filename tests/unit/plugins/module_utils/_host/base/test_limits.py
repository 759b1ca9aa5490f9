"""What is enough, near enough or too much."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.inputs.time_limits import CHAIN, chain_problems
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.limits import (
    FIRST_MEMORY,
    INODES,
    MEGABYTE,
    Responses,
    certificate_warning,
    clock_warning,
    disk_problem,
    errors_problem,
    killed_problem,
    memory_problem,
    memory_warning,
    ready_warning,
)

GOOD_CHAIN = {
    "app_release_request_seconds": 25.0,
    "app_release_worker_grace_seconds": 30.0,
    "app_release_stop_grace_seconds": 40.0,
    "app_release_drain_seconds": 0.5,
}


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({}, []),
        (
            {"app_release_worker_grace_seconds": 25},
            ["app_release_worker_grace_seconds (25) must be more than app_release_request_seconds (25), or requests are cut at a deploy"],
        ),
        (
            {"app_release_stop_grace_seconds": 0.5},
            [
                "app_release_stop_grace_seconds (0.5) must be more than app_release_worker_grace_seconds (30), "
                "or requests are cut at a deploy",
                "app_release_stop_grace_seconds (0.5) must be more than app_release_drain_seconds (0.5), or requests are cut at a deploy",
            ],
        ),
    ],
)
def test_time_limits_lie_one_within_the_other(changes: dict[str, float], problems: list[str]) -> None:
    assert chain_problems({**GOOD_CHAIN, **changes}) == problems


def test_limits_that_are_not_set_contradict_nothing() -> None:
    assert {name for pair in CHAIN for name in pair} == set(GOOD_CHAIN)
    for name in GOOD_CHAIN:
        assert chain_problems({name: 0}) == []


@pytest.mark.parametrize(
    ("free", "live_image", "inodes", "problem"),
    [
        (1024, 0, INODES, None),
        (1024, 512, INODES, None),
        (1024, 513, INODES, "1024 MB are free, 1026 MB are needed"),  # the next image is about as large, and its archive
        (1023, 0, INODES, "1023 MB are free, 1024 MB are needed"),
        (0, 0, 0, "0 MB are free, 1024 MB are needed"),  # bytes are told first
        (1024, 0, INODES - 1, "19999 inodes are free, 20000 are needed"),
        (1024, 0, None, None),
    ],
)
def test_disk(free: int, live_image: int, inodes: int | None, problem: str | None) -> None:
    assert disk_problem(free * MEGABYTE, 1024, live_image * MEGABYTE, inodes) == problem


@pytest.mark.parametrize(
    ("available", "live_uses", "limit", "wanted"),
    [
        (FIRST_MEMORY, None, 0, None),
        (FIRST_MEMORY - 1, None, 0, 128),
        (200 * MEGABYTE, 200 * MEGABYTE, 512 * MEGABYTE, None),
        (199 * MEGABYTE, 200 * MEGABYTE, 512 * MEGABYTE, 200),
        (199 * MEGABYTE, 200 * MEGABYTE, 0, 200),  # no limit
        (64 * MEGABYTE, 200 * MEGABYTE, 64 * MEGABYTE, None),  # the limit was lowered: it cannot take more
        (63 * MEGABYTE, None, 64 * MEGABYTE, 64),
    ],
)
def test_memory(available: int, live_uses: int | None, limit: int, wanted: int | None) -> None:
    problem = memory_problem(available, live_uses, limit)
    shown = f"{available // MEGABYTE} MB are available, {wanted} MB are needed beside the live release"
    assert problem == (None if wanted is None else shown)


@pytest.mark.parametrize(
    ("host", "told"),
    [
        (1000.0, None),
        (1006.5, None),  # one clock, and a task that waited for its host
        (1060.0, None),
        (995.0, None),
        (1061.0, "this host's clock is 61 s ahead of the controller's"),
        (994.0, "this host's clock is 6 s behind the controller's"),  # no delay makes it that
        (1000.0 - 3600, "this host's clock is 3600 s behind the controller's"),
        (1000.0 + 86400, "this host's clock is 86400 s ahead of the controller's"),
    ],
)
def test_clocks(host: float, told: str | None) -> None:
    warning = clock_warning(1000.0, host)
    assert (warning and warning.partition(";")[0]) == (told and f"CLOCK_OFFSET: {told}")


@pytest.mark.parametrize(
    ("uses", "limit", "told"),
    [
        (410, 512, "uses 410 of 512 MB (80%)"),
        (512, 512, "uses 512 of 512 MB (100%)"),
        (409, 512, None),
        (9999, 0, None),
        (None, 512, None),
    ],
)
def test_memory_that_is_nearly_used_up(uses: int | None, limit: int, told: str | None) -> None:
    warning = memory_warning(uses and uses * MEGABYTE, limit * MEGABYTE)
    assert (warning is None) is (told is None)
    assert told is None or (told in str(warning) and "app_release_memory" in str(warning))


@pytest.mark.parametrize(
    ("killed", "told"),
    [(None, None), (0, None), (1, "a process of it was killed"), (3, "3 processes of it were killed")],
)
def test_processes_killed_for_memory(killed: int | None, told: str | None) -> None:
    problem = killed_problem(killed, 512 * MEGABYTE)
    assert problem == (told and f"{told} because its memory was full: raise app_release_memory (512 MB), or start fewer workers")


@pytest.mark.parametrize(("took", "told"), [(0.5, False), (45.0, False), (45.1, True), (55.6, True)])
def test_a_release_that_was_nearly_too_slow(took: float, told: bool) -> None:
    warning = ready_warning(took, 60)
    assert (warning is not None) is told
    assert not told or f"ready after {took} of 60 s; raise app_release_ready_seconds" in str(warning)


DAY = 86400.0


@pytest.mark.parametrize(
    ("days", "passed", "told"),
    [
        (90, 0, None),
        (90, 71.9, None),
        (90, 72.5, "ends in 17.5 days and should have been renewed"),
        (90, 89.9, "ends in 0.1 days and should have been renewed"),
        (90, 92, "expired 2.0 days ago"),
        (0.5, 0.39, None),  # an internal authority's live for hours
        (0.5, 0.45, "ends in 0.1 days and should have been renewed"),
        (90, -1, None),  # not valid yet: the TLS library tells that
    ],
)
def test_certificates(days: float, passed: float, told: str | None) -> None:
    assert certificate_warning(1000.0, 1000.0 + days * DAY, 1000.0 + passed * DAY) == told


def test_answers_add_up() -> None:
    assert Responses(100, 2) + Responses(50, 1) == Responses(150, 3)


@pytest.mark.parametrize(
    ("before", "during", "problem"),
    [
        ((1000, 0), (100, 0), False),
        ((1000, 0), (100, 5), False),  # just what is allowed
        ((1000, 0), (100, 6), True),
        ((1000, 500), (100, 54), False),  # it was as bad before
        ((1000, 500), (100, 56), True),
        ((0, 0), (100, 6), True),  # nobody came before
        ((1000, 0), (19, 19), False),  # too few to tell
        ((1000, 0), (20, 20), True),
        ((1000, 0), (0, 0), False),
    ],
)
def test_a_rise_of_errors(before: tuple[int, int], during: tuple[int, int], problem: bool) -> None:
    assert bool(errors_problem(Responses(*before), Responses(*during), 0.05)) is problem


def test_a_rise_of_errors_is_reported_in_numbers() -> None:
    assert errors_problem(Responses(1000, 10), Responses(50, 25), 0.05) == (
        "50% of 50 requests were answered with 5xx since the switch; before it 1% of 1000; 5% more are allowed (app_release_bake_errors)"
    )
