"""Where the time of a test run goes: `python -m lab.timings FILE` prints the table and writes FILE as one JSON document.

Each part, test and playbook of a run appends a line of JSON to the file that FAIRLEAD_TIMINGS names, from whichever process it runs in.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import paths

VARIABLE = "FAIRLEAD_TIMINGS"
SLOWEST = 15


@dataclass(frozen=True)
class Timing:
    """One thing that took time.

    Args:
        part: the part of the run that it belongs to, such as `molecule deploy`.
        kind: `part`, `test` or `playbook`. Tests are in their part, playbooks in their test or in the part's set-up.
        name: its name.
        seconds: how long it took.
    """

    part: str
    kind: str
    name: str
    seconds: float


@contextmanager
def timed(kind: str, name: str) -> Iterator[None]:
    """Note how long the block takes, however it ends; nothing is noted in a run that does not ask for it."""
    begin = time.monotonic()
    try:
        yield
    finally:
        note(kind, name, time.monotonic() - begin)


def note(kind: str, name: str, seconds: float) -> None:
    """Append one line to the file of this run."""
    file = os.environ.get(VARIABLE)
    if file is None:
        return
    part = "molecule " + os.environ.get("MOLECULE_SCENARIO_NAME", "-")
    line = json.dumps(asdict(Timing(part, kind, name, round(seconds, 2)))) + "\n"
    # One write of less than a page, at the end of the file: lines of several processes do not mix.
    with Path(file).open("a", buffering=len(line) + 1, encoding="utf-8") as lines:
        lines.write(line)


def read(file: Path) -> list[Timing]:
    """Return the lines of a run, in the order in which they were noted."""
    return [Timing(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def table(timings: Sequence[Timing]) -> Iterator[str]:
    """Yield the lines of a table: the parts, longest first, then the slowest tests."""
    yield f"{'seconds':>7}  {'set-up':>6}  {'tests':>6}  {'playbooks':>15}  part"
    for whole in sorted((t for t in timings if t.kind == "part"), key=lambda t: -t.seconds):
        tests = sum(t.seconds for t in timings if (t.part, t.kind) == (whole.part, "test"))
        plays = [t.seconds for t in timings if (t.part, t.kind) == (whole.part, "playbook")]
        told = f"{len(plays)} in {sum(plays):.0f} s" if plays else ""
        split = (f"{whole.seconds - tests:.0f}", f"{tests:.0f}") if tests else ("", "")
        yield f"{whole.seconds:7.0f}  {split[0]:>6}  {split[1]:>6}  {told:>15}  {whole.part}"
    yield ""
    yield f"{'seconds':>7}  slowest tests"
    for test in sorted((t for t in timings if t.kind == "test"), key=lambda t: -t.seconds)[:SLOWEST]:
        yield f"{test.seconds:7.0f}  {test.part}: {test.name}"


def main() -> None:
    """Print the table of a run and leave its file as one JSON document beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    file = parser.parse_args().file
    timings = read(file)
    print("\n".join(table(timings)))
    paths.write(file.with_suffix(".json"), json.dumps([asdict(timing) for timing in timings], indent=1) + "\n")


if __name__ == "__main__":
    main()
