"""Where the time of a test run goes."""

from pathlib import Path

import pytest

from lab import timings
from lab.timings import Timing


def test_nothing_is_noted_in_a_run_that_does_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(timings.VARIABLE, raising=False)
    timings.note("test", "any", 1.0)


def test_what_took_time_is_noted_however_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "timings.jsonl"
    monkeypatch.setenv(timings.VARIABLE, str(file))
    monkeypatch.setenv("MOLECULE_SCENARIO_NAME", "deploy")
    timings.note("test", "test_one", 1.234)
    with pytest.raises(ZeroDivisionError), timings.timed("playbook", "rollback"):
        _ = 1 // 0
    noted = timings.read(file)
    assert noted[0] == Timing("molecule deploy", "test", "test_one", 1.23)
    assert (noted[1].kind, noted[1].name) == ("playbook", "rollback")


def test_the_table_splits_a_part_into_set_up_and_tests() -> None:
    lines = list(
        timings.table(
            [
                Timing("unit", "part", "unit", 50),
                Timing("molecule edge", "test", "test_short", 20),
                Timing("molecule edge", "playbook", "deploy", 11),
                Timing("molecule edge", "playbook", "deploy", 10),
                Timing("molecule edge", "test", "test_long", 40),
                Timing("molecule edge", "part", "molecule edge", 100),
            ]
        )
    )
    assert [line.split() for line in lines[1:3]] == [
        ["100", "40", "60", "2", "in", "21", "s", "molecule", "edge"],
        ["50", "unit"],
    ]
    assert [line.split()[-1] for line in lines[5:]] == ["test_long", "test_short"]
