"""What is published of the benchmarks is what they printed."""

import pytest

from benchmarks import figures
from benchmarks.contenders import BenchError

PRINTED = '\n   rows of a table\n\nmore of it\n\n{"deploy_s": 4.2}\n'


def test_the_line_for_programs_is_left_out() -> None:
    assert figures.told(PRINTED) == "   rows of a table\n\nmore of it"


def test_the_page_says_when_where_and_how() -> None:
    page = figures.page("2026-11-27", "2 cores", [("bin/bench deploy", figures.told(PRINTED))])
    assert "Measured on 2026-11-27 by `bin/bench all`: 2 cores." in page
    assert "## `bin/bench deploy`\n\n```\n   rows of a table\n\nmore of it\n```\n" in page


def test_a_benchmark_that_fails_is_no_figure() -> None:
    with pytest.raises(BenchError, match="ended with exit code 2"):
        figures.measured("deploy", "--no-such-option")


def test_this_machine_has_cores_and_memory() -> None:
    assert " cores (" in figures.machine() and " GiB, Linux " in figures.machine()
