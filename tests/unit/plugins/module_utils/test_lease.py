"""One run at a time may release, and none has to be cleaned up after."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._files import AppPaths, read_json, write_json
from ansible_collections.fairlead.fastapi.plugins.module_utils._ledger import LEASE_KEYS, Lease, stage_lock
from fakes import fails

HOLD = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], 0), fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"


@contextmanager
def another_process_in_a_stage(paths: AppPaths) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", HOLD, str(paths.home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def alice(paths: AppPaths) -> Lease:
    return Lease(paths, "run1", "alice@laptop")


def bob(paths: AppPaths) -> Lease:
    return Lease(paths, "run2", "bob@ci")


def test_a_second_run_is_refused_with_the_name_of_the_first(paths: AppPaths) -> None:
    alice(paths).take(60)
    held = read_json(paths.lease, LEASE_KEYS)
    assert held is not None
    for attempt in (bob(paths).check_free, lambda: bob(paths).take(60)):
        with fails("LOCKED") as caught:
            attempt()
        assert "alice@laptop is releasing shop here since" in caught.value.what
        assert "(run run1)" in caught.value.what
        assert held["until"] in caught.value.todo
    assert read_json(paths.lease, LEASE_KEYS) == held


def test_a_run_extends_its_own_lease(paths: AppPaths) -> None:
    alice(paths).take(60)
    first = read_json(paths.lease, LEASE_KEYS)
    alice(paths).take(7200)
    second = read_json(paths.lease, LEASE_KEYS)
    assert first and second
    assert second["since"] == first["since"]
    assert second["expires"] > first["expires"] + 7000


@pytest.mark.parametrize(
    ("changes", "free"),
    [
        ({}, False),
        ({"expires": 0.0}, True),  # its controller died long ago
        ({"boot": "before-the-reboot"}, True),  # monotonic time started anew
    ],
)
def test_a_lease_ends_by_itself(paths: AppPaths, changes: dict[str, object], free: bool) -> None:
    alice(paths).take(60)
    write_json(paths.lease, {**(read_json(paths.lease, LEASE_KEYS) or {}), **changes})
    if free:
        bob(paths).take(60)
        with fails("LEASE_LOST"):
            alice(paths).require()
    else:
        with fails("LOCKED"):
            bob(paths).take(60)


def test_a_clock_that_is_set_back_does_not_prolong_a_lease(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    alice(paths).take(60)
    later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    bob(paths).check_free()


def test_looking_takes_nothing(paths: AppPaths) -> None:
    alice(paths).check_free()
    assert not paths.lease.exists()
    with fails("LEASE_LOST"):
        alice(paths).require()


def test_only_its_holder_gives_a_lease_back(paths: AppPaths) -> None:
    alice(paths).take(60)
    alice(paths).require()
    bob(paths).release()
    assert paths.lease.exists()
    alice(paths).release()
    alice(paths).release()
    assert not paths.lease.exists()


def test_a_stage_waits_for_nobody_and_leaves_no_lock_behind(paths: AppPaths) -> None:
    with stage_lock(paths), fails("LOCKED"), stage_lock(paths):
        pass
    with stage_lock(paths):
        pass
    assert [entry.name for entry in paths.home.iterdir()] == ["releases"]


def test_the_stage_of_another_process_is_respected_until_it_is_killed(paths: AppPaths) -> None:
    alice(paths).take(60)
    with another_process_in_a_stage(paths) as process:
        with fails("LOCKED") as caught, stage_lock(paths):
            pass
        assert "alice@laptop" in caught.value.what
        process.kill()
        process.wait(timeout=10)
        with stage_lock(paths):
            pass
