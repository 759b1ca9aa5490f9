"""Fixtures: a run of a playbook that the callback shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible.plugins.loader import callback_loader
from callback.fakes_callback import Run, Shown


@pytest.fixture
def begin() -> Callable[..., Run]:
    """Begin a run of a playbook."""

    def start(verbosity: int = 0, **options: Any) -> Run:
        shown = Shown(verbosity)
        callback = callback_loader.get("fairlead.fastapi.release", display=shown)
        callback.set_options(direct=options)
        return Run(callback, shown)

    return start


@pytest.fixture
def run(begin: Callable[..., Run]) -> Run:
    return begin()
