"""What the demo says of requests that were not served, and of a machine that had no time for them."""

from pathlib import Path
from typing import Any

import pytest

from lab import pressure
from lab.demo import OVERLOADED, Demo, DemoError, OverloadedError, problems_of
from lab.pressure import cpu_pressure, waited_seconds
from lab.probe import Report
from lab.probe.report import Failure

REFUSED = Failure(12.34, "fresh", "GET", "/items", "", 503, "r12")
CUT = Failure(15.0, "keepalive", "POST", "/items", "ConnectionResetError", None, None)


def report(**fields: Any) -> Report:
    """A report of a run in which all is well, except for `fields`."""
    empty: dict[str, Any] = dict.fromkeys(Report.__dataclass_fields__)
    well = {
        "requests": 100,
        "failed": 0,
        "lost": 0,
        "doubled": 0,
        "failures": [],
        "suspects": {},
        "releases": {"r1": None},
        "seconds": 10.0,
    }
    return Report(**{**empty, **well, "longest_gap_ms": 5.0, **fields})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, ""),
        (
            {"failed": 2, "failures": [REFUSED, CUT]},
            "2 of 100 requests failed:\n  GET /items after 12.3 s: HTTP 503 from r12\n  POST /items after 15.0 s: ConnectionResetError",
        ),
        ({"lost": 1, "suspects": {"lost": ["a1"]}}, "1 items lost: a1"),
        ({"audit_error": "HTTP 500"}, "lost and doubled items could not be counted: HTTP 500"),
    ],
)
def test_problems_are_described_in_words(fields: dict[str, Any], words: str) -> None:
    assert problems_of(report(**fields)) == words


@pytest.mark.parametrize(("share", "error"), [(OVERLOADED, DemoError), (OVERLOADED + 0.01, OverloadedError)])
def test_only_an_overloaded_machine_excuses_failed_requests(share: float, error: type[DemoError]) -> None:
    with pytest.raises(DemoError, match="2 of 100 requests failed") as raised:
        Demo("vps1").conclude(report(failed=2, failures=[REFUSED, CUT]), {"r1"}, share)
    assert type(raised.value) is error


def test_the_kernel_counts_the_time_that_programs_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cpu"
    file.write_text("some avg10=2.25 avg60=5.05 avg300=6.08 total=50530997\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
    assert waited_seconds(file.read_text()) == pytest.approx(50.530997)
    with pytest.raises(ValueError, match="no line"):
        waited_seconds("")
    monkeypatch.setattr(pressure, "FILE", tmp_path / "missing")
    with cpu_pressure() as unknown:
        pass
    assert unknown.share == 0
