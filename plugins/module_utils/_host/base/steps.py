# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a stage with their seconds."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List

Told = Callable[[Dict[str, Any]], None]


class Steps:
    """What a stage did so far, in order.

    Args:
        told: called with each step when it begins, and when it has ended.
    """

    def __init__(self, told: Told = lambda step: None) -> None:
        self.done: List[Dict[str, Any]] = []
        self._told = told

    @contextmanager
    def step(self, name: str) -> Iterator[Dict[str, Any]]:
        """Time one step; the caller may add details to the yielded dict.  A step that raises is recorded as failed."""
        entry: Dict[str, Any] = {"step": name}
        started = time.monotonic()
        self.done.append(entry)
        self._told(entry)
        try:
            yield entry
        except BaseException:
            entry["failed"] = True
            raise
        finally:
            entry["seconds"] = round(time.monotonic() - started, 3)
            self._told(entry)
