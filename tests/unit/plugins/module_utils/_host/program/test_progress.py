"""What a call tells of itself while it runs."""

import json
import time
from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.steps import Steps
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.program import progress

SECONDS = 20.0


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(progress, "DIRECTORY", tmp_path / "runs")
    return tmp_path / "runs"


def lines(directory: Path) -> list[dict[str, object]]:
    (file,) = directory.iterdir()
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_each_step_is_a_line_when_it_has_ended(directory: Path) -> None:
    with progress.reported("a1b2", check=False) as told:
        assert told
        told.stage = "release_rollout"
        steps = Steps(told.told)
        with steps.step("start"):
            assert lines(directory) == []
        with pytest.raises(KeyError), steps.step("ready") as step:
            step["answer"] = "what an app says stays out of it"
            raise KeyError
        first, second = lines(directory)
        (file,) = directory.iterdir()
        assert (file.stat().st_mode & 0o777, directory.stat().st_mode & 0o777) == (0o600, 0o700)
    assert (first["stage"], first["step"]) == ("release_rollout", "start")
    assert (second["step"], second["failed"], set(second)) == ("ready", True, {"stage", "step", "seconds", "failed"})
    assert list(directory.iterdir()) == [], "the file goes with the call"


def test_a_long_step_is_told_while_it_runs(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0.01)
    with progress.reported("a1b2", check=False) as told:
        assert told
        with Steps(told.told).step("ready"):
            deadline = time.monotonic() + SECONDS
            while not lines(directory):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert lines(directory)[0] == {"stage": "", "step": "ready", "running": 0}


@pytest.mark.parametrize(("run", "check"), [("a1b2", True), ("", False), ("../x", False), ("a" * 65, False)])
def test_nothing_is_written_in_check_mode_or_for_a_strange_run(directory: Path, run: str, check: bool) -> None:
    with progress.reported(run, check) as told:
        assert told is None
    assert not directory.exists()


def test_where_it_cannot_be_written_the_call_goes_on(directory: Path) -> None:
    directory.write_text("no directory")
    with progress.reported("a1b2", check=False) as told:
        assert told is None
