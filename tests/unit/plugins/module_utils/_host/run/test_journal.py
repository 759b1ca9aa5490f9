"""One run at a time may release, its way is written down, and none has to be cleaned up after."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.state import write_state
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import controller
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import journal as _journal
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.entry import ENDS, PHASES, Entry
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.journal import Journal
from fakes import fails
from fakes_host import Clock, tree

HOLD = """
import fcntl, os, sys
for directory in sys.argv[1:]:
    fcntl.flock(os.open(directory, 0), fcntl.LOCK_EX)
print('held', flush=True)
sys.stdin.read()
"""
LEASE = 60.0

pytestmark = pytest.mark.usefixtures("clock")


@contextmanager
def another_process_in_a_stage(paths: AppPaths, abandoned: bool = False) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", HOLD, str(paths.home), *([] if abandoned else [str(paths.releases)])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def let_go(paths: AppPaths) -> None:
    """Close the lock that a run keeps between its stages, as the end of its process does."""
    if (kept := _journal._KEPT.pop((paths.home, "run1"), None)) is not None:
        os.close(kept)


def alice(paths: AppPaths) -> Journal:
    return Journal(paths, "run1", "alice@laptop", LEASE)


def bob(paths: AppPaths) -> Journal:
    return Journal(paths, "run2", "bob@ci", LEASE)


def written(paths: AppPaths) -> Entry:
    entry = alice(paths).last()
    assert entry is not None
    return entry


def paused(paths: AppPaths) -> Journal:
    """Have Alice's run between two stages."""
    journal = alice(paths)
    journal.begin("deploy", "r1")
    journal.enter("PREPARED", "r2")
    journal.pause()
    return journal


def begins(journal: Journal) -> None:
    """Do what the first stage of a run does."""
    with journal.lock():
        journal.begin("deploy", None)


def test_a_run_writes_down_its_way(paths: AppPaths) -> None:
    journal = alice(paths)
    journal.begin("deploy", "r1")
    assert written(paths).release is None
    for phase in PHASES[1:]:
        journal.enter(phase, "r2" if phase == "PREPARED" else None)
        assert (journal.unfinished() is None) is (phase == "COMMITTED")
    entry = written(paths)
    assert tuple(step["phase"] for step in entry.phases) == PHASES
    assert all(step["at"].endswith("Z") for step in entry.phases)
    told = ("run", "owner", "action", "before", "release", "phase", "code")
    assert [getattr(entry, name) for name in told] == ["run1", "alice@laptop", "deploy", "r1", "r2", "COMMITTED", None]
    assert paths.journal.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("outcome", ENDS)
def test_a_run_ends_once(paths: AppPaths, outcome: str) -> None:
    journal = paused(paths)
    journal.fail("NOT_READY", "NOT_READY: said why")
    assert written(paths).phase == "PREPARED"
    for end in (outcome, "ABORTED"):
        bob(paths).end(None, end)  # also when its own process died
    entry = written(paths)
    assert (entry.phase, entry.phases[-1]["phase"]) == (outcome, outcome)
    assert len(entry.phases) == 3
    assert (entry.code, entry.message, entry.run) == ("NOT_READY", "NOT_READY: said why", "run1")
    assert journal.unfinished() is None


def test_what_is_not_mine_is_not_written(paths: AppPaths) -> None:
    paused(paths)
    before = tree(paths.home)
    bob(paths).enter("STARTED")
    bob(paths).pause()
    bob(paths).fail("CODE", "message")
    assert tree(paths.home) == before
    assert (alice(paths).is_mine(), bob(paths).is_mine()) == (True, False)


def test_a_second_run_is_refused_with_the_name_of_the_first(paths: AppPaths) -> None:
    paused(paths)
    before = tree(paths.home)
    with another_process_in_a_stage(paths), fails("LOCKED") as caught:
        begins(bob(paths))
    since = written(paths).since
    assert caught.value.what == f"alice@laptop is releasing shop here since {since} (run run1, PREPARED)"
    assert tree(paths.home) == before


def test_a_dead_controllers_lease_is_waited_for_and_ends_by_itself(paths: AppPaths, clock: Clock) -> None:
    paused(paths)
    began = clock.now
    begins(bob(paths))
    assert clock.now - began == pytest.approx(LEASE, abs=2 * _journal.POLL_SECONDS)
    assert written(paths).run == "run2"
    with fails("LEASE_LOST"), alice(paths).lock():
        alice(paths).resume()


@pytest.mark.parametrize("goes_on", ["in a stage that is over already", "to its end"])
def test_a_lease_whose_run_goes_on(paths: AppPaths, clock: Clock, goes_on: str) -> None:
    first = paused(paths)
    began = clock.now

    def after_five_seconds() -> None:
        if clock.now >= began + 5:
            clock.while_asleep = lambda: None
            first.enter("COMMITTED" if goes_on == "to its end" else "MIGRATED")
            first.pause()

    clock.while_asleep = after_five_seconds
    if goes_on == "to its end":
        begins(bob(paths))
        assert written(paths).run == "run2"
    else:
        with fails("LOCKED") as caught:
            begins(bob(paths))
        assert "MIGRATED" in caught.value.what
    assert clock.now - began == pytest.approx(5, abs=2 * _journal.POLL_SECONDS)


def test_a_lease_whose_run_is_in_its_next_stage(paths: AppPaths, clock: Clock) -> None:
    first = paused(paths)
    with another_process_in_a_stage(paths):
        clock.while_asleep = first.resume
        began = clock.now
        with fails("LOCKED"):
            begins(bob(paths))
    assert clock.now - began < 2


def test_a_stage_that_lost_its_controller_is_waited_for(paths: AppPaths, clock: Clock) -> None:
    began = clock.now
    with another_process_in_a_stage(paths, abandoned=True) as process:

        def it_ends() -> None:
            if clock.now - began > 60:
                process.kill()
                process.wait(timeout=10)

        clock.while_asleep = it_ends
        with bob(paths).lock() as waited:
            assert 60 < clock.now - began < 62
    assert waited.startswith("WAITED: 6")


def test_even_that_has_an_end(paths: AppPaths, clock: Clock) -> None:
    began = clock.now
    with another_process_in_a_stage(paths, abandoned=True), fails("LOCKED"), bob(paths).lock():
        pass
    assert clock.now - began == pytest.approx(_journal.ABANDONED_SECONDS, abs=1)


def test_a_run_that_is_done_as_a_whole_keeps_its_lock_between_stages(paths: AppPaths, clock: Clock) -> None:
    first = Journal(paths, "run1", "alice@laptop", LEASE, whole=True)
    with first.lock():
        first.begin("deploy", None)
        first.pause()
    with fails("LOCKED"), bob(paths).lock():
        pass
    with first.lock():
        first.resume()
        first.end(None, "COMMITTED")
    let_go(paths)
    begins(bob(paths))


@pytest.mark.parametrize(("whole", "seconds"), [(False, 0.0), (True, LEASE)])
def test_a_run_whose_controller_is_gone_leaves_no_lease_unless_it_goes_on(
    paths: AppPaths, clock: Clock, monkeypatch: pytest.MonkeyPatch, whole: bool, seconds: float
) -> None:
    monkeypatch.setattr(controller, "is_gone", lambda output=1: True)
    first = Journal(paths, "run1", "alice@laptop", LEASE, whole=whole)
    with first.lock():
        first.begin("deploy", None)
        first.pause()
    assert written(paths).expires == clock.now + seconds
    let_go(paths)
    began = clock.now
    begins(bob(paths))
    assert clock.now - began == pytest.approx(seconds, abs=2 * _journal.POLL_SECONDS)
    assert written(paths).run == "run2"


def test_a_run_that_began_while_the_lock_was_waited_for(paths: AppPaths, clock: Clock) -> None:
    with another_process_in_a_stage(paths) as process:

        def its_first_stage_ends() -> None:
            clock.while_asleep = lambda: None
            paused(paths)
            process.kill()
            process.wait(timeout=10)

        clock.while_asleep = its_first_stage_ends
        with fails("LOCKED") as caught:
            begins(bob(paths))
    assert "(run run1, PREPARED)" in caught.value.what


@pytest.mark.parametrize(("waits", "seconds"), [(0.0, 1.0), (30.0, 30.0)])
def test_a_run_at_work_is_waited_for_as_long_as_was_asked(paths: AppPaths, clock: Clock, waits: float, seconds: float) -> None:
    paused(paths)
    changed(paths, expires=None)
    began = clock.now
    with another_process_in_a_stage(paths), fails("LOCKED") as caught:
        begins(Journal(paths, "run2", "bob@ci", LEASE, waits))
    assert clock.now - began == pytest.approx(seconds, abs=2 * _journal.POLL_SECONDS)
    assert caught.value.what.endswith("; it was waited for 30 s" if waits else "(run run1, PREPARED)")
    assert "-e lock_wait=300" in caught.value.todo


@pytest.mark.parametrize("ends", ["is killed", "commits"])
def test_a_run_that_was_waited_for_is_named(paths: AppPaths, clock: Clock, ends: str) -> None:
    first = paused(paths)
    changed(paths, expires=None)
    with another_process_in_a_stage(paths) as process:
        began = clock.now

        def after_twelve_seconds() -> None:
            if clock.now >= began + 12:
                clock.while_asleep = lambda: None
                if ends == "commits":
                    first.end(None, "COMMITTED")
                process.kill()
                process.wait(timeout=10)

        clock.while_asleep = after_twelve_seconds
        with Journal(paths, "run2", "bob@ci", LEASE, 300).lock() as waited:
            pass
    who = f"WAITED: 12 s for the deploy of alice@laptop (run run1, since {written(paths).since})"
    assert waited == f"{who}, which {'ended as COMMITTED' if ends == 'commits' else 'did not finish'}"


def test_a_run_that_goes_on_is_waited_for_through_all_its_stages(paths: AppPaths, clock: Clock) -> None:
    first = paused(paths)
    began = clock.now

    def stages() -> None:
        if began + 20 <= clock.now < began + 40:
            first.resume()
            first.pause()
        elif clock.now >= began + 40:
            clock.while_asleep = lambda: None
            first.end(None, "COMMITTED")

    clock.while_asleep = stages
    with Journal(paths, "run2", "bob@ci", LEASE, 300).lock() as waited:
        pass
    assert "WAITED: 40 s" in waited


def changed(paths: AppPaths, **fields: object) -> None:
    write_state(paths.journal, {**written(paths).as_dict(), **fields})


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"expires": 0.0}, "its controller died long ago"),
        ({"boot": "before-the-reboot"}, "monotonic time started anew"),
        ({"expires": None}, "its stage was killed: the kernel freed the lock"),
        ({"phase": "COMMITTED"}, "it ended"),
        ({"phase": "ABORTED"}, "it ended"),
    ],
)
def test_no_other_session_is_blocked(paths: AppPaths, clock: Clock, fields: dict[str, object], why: str) -> None:
    paused(paths)
    changed(paths, **fields)
    began = clock.now
    begins(bob(paths))
    assert clock.now == began, why


def test_a_clock_that_is_set_back_does_not_prolong_a_lease(paths: AppPaths, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    paused(paths)
    monkeypatch.setattr(clock, "time", lambda: 0.0)
    clock.now += LEASE + 1
    began = clock.now
    begins(bob(paths))
    assert clock.now == began


def test_a_stage_waits_for_no_other_run_and_leaves_no_lock_behind(paths: AppPaths) -> None:
    with alice(paths).lock(), fails("LOCKED"), bob(paths).lock():
        pass
    with bob(paths).lock():
        pass
    assert [entry.name for entry in paths.home.iterdir()] == ["releases"]


def test_the_stage_of_another_process_is_respected_until_it_is_killed(paths: AppPaths) -> None:
    with another_process_in_a_stage(paths) as process:
        with fails("LOCKED") as caught, bob(paths).lock():
            pass
        assert "another run began to release shop here a moment ago" in caught.value.what
        process.kill()
        process.wait(timeout=10)
        with bob(paths).lock():
            pass


def test_a_run_goes_on_under_its_own_lease(paths: AppPaths, clock: Clock) -> None:
    journal = paused(paths)
    began = clock.now
    with journal.lock():
        journal.resume()
        assert (written(paths).expires, written(paths).until) == (None, None)
        journal.enter("MIGRATED")
        journal.pause()
    assert clock.now == began
    assert written(paths).expires == clock.now + LEASE
    assert (written(paths).release, written(paths).phase) == ("r2", "MIGRATED")


def test_a_late_stage_goes_on_unless_another_run_began(paths: AppPaths, clock: Clock) -> None:
    journal = paused(paths)
    clock.now += 10 * LEASE
    with journal.lock():
        journal.resume()
    assert journal.is_mine()


@pytest.mark.parametrize("end", ["another run's", "never begun", "ended"])
def test_a_later_stage_of_a_lost_lease(paths: AppPaths, end: str) -> None:
    if end == "another run's":
        paused(paths)
    elif end == "ended":
        begins(bob(paths))
        bob(paths).end(None, "ABORTED")
    with fails("LEASE_LOST") as caught:
        bob(paths).resume()
    assert "another run began" in caught.value.what


@pytest.mark.parametrize("content", [b"", b"{", b"null", b'{"schema": 1}', b"\xff\xfe"])
def test_a_damaged_journal_is_replaced_by_the_copy_before_it(paths: AppPaths, content: bytes) -> None:
    paused(paths)
    before = written(paths)
    changed(paths, phase="MIGRATING")
    paths.journal.write_bytes(content)
    assert written(paths) == before
    assert str(paths.journal) in alice(paths).mend()
    assert (written(paths), alice(paths).mend()) == (before, "")
    assert aside(paths) == [content]


def test_a_damaged_journal_without_a_copy_is_set_aside(paths: AppPaths) -> None:
    paths.journal.write_bytes(b"{")
    assert alice(paths).unfinished() is None
    begins(bob(paths))
    assert written(paths).run == "run2"
    paths.journal.write_bytes(b"{")
    Path(f"{paths.journal}.previous").write_bytes(b"{")
    assert "is damaged" in bob(paths).mend()
    assert not paths.journal.exists()
    assert aside(paths) == [b"{"]


def aside(paths: AppPaths) -> list[bytes]:
    return [file.read_bytes() for file in sorted(paths.home.glob("journal.json.corrupt-*"))]
