"""docs/faults.md says what the tests say."""

import subprocess
import sys
from pathlib import Path

import pytest

from lab import faults_page, paths
from lab.faults_page import HEAD, BadMarker, Fault, page, read

NEVER_READY = {"row": 14, "fault": "never ready", "code": "NOT_READY", "serves": "old", "says": "last answers"}


def test_the_page_in_the_repository_is_current() -> None:
    command = [sys.executable, "-m", "lab.faults_page", "--check"]
    done = subprocess.run(command, cwd=paths.REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_every_fault_of_one_host_has_a_test() -> None:
    # 5, 58 and 59 take a fleet, 7 takes signatures.
    wanted = {*range(1, 61)} - {5, 7, 58, 59}
    lines = faults_page.PAGE.read_text().splitlines()
    found = {int(line.split("|")[1]) for line in lines if line[2:3].isdigit()}
    assert found >= wanted, f"no test of {sorted(wanted - found)}"


def test_an_old_page_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    page_file = paths.REPOSITORY / "docs" / "no-such-page.md"
    monkeypatch.setattr(faults_page, "PAGE", page_file)
    monkeypatch.setattr(faults_page, "collect", set)
    assert faults_page.main(["--check"]) == 1
    assert "docs/no-such-page.md is out of date: run python -m lab.faults_page" in capsys.readouterr().err
    assert not page_file.exists()


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (
            Fault(14, "never ready", "NOT_READY", "old", "last answers", "s: test_it"),
            "| 14 | never ready | `NOT_READY` | old | last answers | `s: test_it` |",
        ),
        (Fault(15, "late", "", "new", "", "s: test_it", "slow"), "| 15 | late | – | new | – | `s: test_it` (slow) |"),
        (Fault(16, "a|b\nc", "–", "", "", "s: t"), "| 16 | a\\|b c | – | – | – | `s: t` |"),
    ],
)
def test_a_fault_is_a_line(fault: Fault, line: str) -> None:
    assert page([fault]) == f"{HEAD}{line}\n"


def test_lines_are_in_the_order_of_the_rows() -> None:
    lines = page([Fault(9, "b", "", "", "", ""), Fault(10, "a", "", "", "", ""), Fault(9, "a", "", "", "", "")]).splitlines()[-3:]
    assert [line[:9] for line in lines] == ["| 9 | a |", "| 9 | b |", "| 10 | a "]


def test_a_marker_is_read() -> None:
    assert read((), NEVER_READY, test="s: t", case="c") == Fault(14, "never ready", "NOT_READY", "old", "last answers", "s: t", "c")


@pytest.mark.parametrize(
    ("positional", "fields"),
    [
        ((14,), {key: value for key, value in NEVER_READY.items() if key != "row"}),
        ((), {key: value for key, value in NEVER_READY.items() if key != "says"}),
        ((), {**NEVER_READY, "row": "14"}),
        ((), {**NEVER_READY, "why": "because"}),
    ],
)
def test_an_incomplete_marker_is_refused(positional: tuple[object, ...], fields: dict[str, object]) -> None:
    with pytest.raises(BadMarker, match="s: t: a fault marker has exactly row, fault, code, serves, says"):
        read(positional, fields, test="s: t")
