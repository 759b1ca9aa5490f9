"""How busy this machine is, as the kernel counts it: /proc/pressure/cpu (Documentation/accounting/psi.rst)."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FILE = Path("/proc/pressure/cpu")
_SOME = re.compile(r"^some .* total=(\d+)$", re.MULTILINE)


@dataclass
class Pressure:
    """`share`: part of the time, from 0 to 1, in which at least one program waited for a CPU; 0 where the kernel does not count it."""

    share: float = 0.0


def waited_seconds(text: str) -> float:
    """Return for how long, since the boot, some program waited. Raises ValueError when `text` has no such line."""
    found = _SOME.search(text)
    if found is None:
        raise ValueError(f"no line 'some … total=…' in {text!r}")
    return int(found[1]) / 1e6


@contextmanager
def cpu_pressure() -> Iterator[Pressure]:
    """Measure during the block; afterwards the yielded object has the share."""
    pressure = Pressure()
    if not FILE.is_file():
        yield pressure
        return
    begin, before = time.monotonic(), waited_seconds(FILE.read_text())
    try:
        yield pressure
    finally:
        pressure.share = (waited_seconds(FILE.read_text()) - before) / (time.monotonic() - begin)
