"""One printed line per step, with its seconds."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def note(text: str) -> None:
    """Print a line that is no step."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print `what` and how long the body took, also when it failed."""
    begin = time.monotonic()
    outcome = "FAILED"
    try:
        yield
        outcome = ""
    finally:
        print(f"lab: {what:<58} {time.monotonic() - begin:6.1f} s {outcome}".rstrip(), file=sys.stderr, flush=True)
