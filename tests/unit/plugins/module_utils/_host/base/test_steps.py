"""A stage tells its steps with their seconds, also the one that failed."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base import steps as _steps
from fakes_host import Clock


def test_steps_are_listed_in_order_with_seconds_and_details(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(_steps, "time", clock)
    steps = _steps.Steps()
    with steps.step("pull") as step:
        clock.sleep(1.5)
        step["digest"] = "sha256:1"
    with pytest.raises(ValueError), steps.step("start"):
        clock.sleep(0.25)
        raise ValueError
    assert steps.done == [
        {"step": "pull", "seconds": 1.5, "digest": "sha256:1"},
        {"step": "start", "seconds": 0.25, "failed": True},
    ]
