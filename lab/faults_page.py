"""docs/faults.md, made from the tests: `python -m lab.faults_page [--check]`.

A test that injects a fault says so itself, with a marker:
`@pytest.mark.fault(row=14, fault="never ready", code="NOT_READY", serves="the old release", says="last status and body head")`.
"""

import argparse
import contextlib
import io
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import paths

PAGE = paths.REPOSITORY / "docs" / "faults.md"
SCENARIOS = paths.REPOSITORY / "molecule"
# A cell that has nothing to say.
NONE = "–"
FIELDS = {"row": int, "fault": str, "code": str, "serves": str, "says": str}

HEAD = """\
# Faults, and what becomes of them

Each line is a test that makes the fault happen for real: kills, cuts, fills, hangs, corrupts. Made from the tests by
`python -m lab.faults_page`; what the codes mean and what to do about them is in [failures.md](failures.md).
What happens at every phase is tried at each of them with `FAIRLEAD_THOROUGH=1`; otherwise each phase has one of rows 33 to 35.

After every one of these tests, and again at the end of each scenario, this holds (`lab/invariants.py` looks from outside):

| | |
|---|---|
| I1 | The route names a release, and it answers its readiness check through the proxy, as that release. |
| I2 | Journal and ledger are whole, the last run was ended, and both say what the route, containers and bundles are. |
| I3 | Nothing is left over: lock, right to release, candidate, migration container or session, temporary file. |
| I4 | No request from outside failed, unless the line says otherwise. |
| I5 | No secret is in a log. |
| I6 | The same deploy again changes nothing. |
| I7 | The release before can be gone back to. |

| # | fault | code | then serves | the message tells | test |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True, order=True)
class Fault:
    """A marker on a test; `test` is where it stands, and `case` which of its cases has it, empty for all."""

    row: int
    fault: str
    code: str
    serves: str
    says: str
    test: str
    case: str = ""


class BadMarker(Exception):
    """A marker does not say what a line needs."""


class Collector:
    """A plugin of pytest that reads the markers of collected tests."""

    def __init__(self) -> None:
        self.faults: set[Fault] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Take every marker of every test, whether it stands at the test or at one of its cases."""
        for item in items:
            own = {id(mark) for mark in getattr(getattr(item, "callspec", None), "marks", ())}
            for mark in item.iter_markers("fault"):
                case = item.name.partition("[")[2].removesuffix("]") if id(mark) in own else ""
                self.faults.add(read(mark.args, mark.kwargs, test=place(item), case=case))


def place(item: pytest.Item) -> str:
    """Return where a test stands: its scenario and its function."""
    return f"{item.path.relative_to(SCENARIOS).parts[0]}: {getattr(item, 'originalname', item.name)}"


def read(positional: tuple[object, ...], fields: Mapping[str, object], *, test: str, case: str = "") -> Fault:
    """Return what a marker says.

    Raises:
        BadMarker: a field is missing, unknown, or of another type.
    """
    if positional or {name: type(value) for name, value in fields.items()} != FIELDS:
        raise BadMarker(f"{test}: a fault marker has exactly {', '.join(FIELDS)}, by name; row is a number, the others are texts")
    return Fault(**fields, test=test, case=case)  # type: ignore[arg-type]  # the types were looked at above


def collect() -> set[Fault]:
    """Return the markers of all tests, without running any.

    Raises:
        BadMarker: a marker does not say what a line needs.
        RuntimeError: pytest could not collect; the message has its words.
    """
    collector, said = Collector(), io.StringIO()
    with contextlib.redirect_stdout(said):
        code = pytest.main(["--collect-only", "--quiet", str(SCENARIOS)], plugins=[collector])
    if code != pytest.ExitCode.OK:
        raise RuntimeError(f"the tests cannot be collected:\n{said.getvalue()}")
    return collector.faults


def page(faults: Iterable[Fault]) -> str:
    """Return the page."""
    return HEAD + "".join(f"| {' | '.join(map(cell, line(fault)))} |\n" for fault in sorted(faults))


def line(fault: Fault) -> tuple[str, ...]:
    """Return the cells of one line."""
    code = fault.code if fault.code in ("", NONE) else f"`{fault.code}`"
    test = f"`{fault.test}`" + (f" ({fault.case})" if fault.case else "")
    return str(fault.row), fault.fault, code, fault.serves, fault.says, test


def cell(text: str) -> str:
    """Return a text as the cell of a table: on one line, and without an end of its own."""
    return " ".join(text.split()).replace("|", "\\|") or NONE


def is_current(file: Path, content: str) -> bool:
    """Tell whether a file has this content already."""
    return file.exists() and file.read_text() == content


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or only look whether it is as the tests say."""
    parser = argparse.ArgumentParser(prog="python -m lab.faults_page", description="Make docs/faults.md from the tests.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the page is out of date")
    options = parser.parse_args(arguments)
    content = page(collect())
    if not options.check:
        PAGE.write_text(content)
    elif not is_current(PAGE, content):
        print(f"{PAGE.relative_to(paths.REPOSITORY)} is out of date: run python -m lab.faults_page", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
