"""Steps are shown while the call runs, each once."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.plugin_utils import _following as module
from ansible_collections.fairlead.fastapi.plugins.plugin_utils._following import command, following, said
from ansible_collections.fairlead.fastapi.plugins.plugin_utils._run_told import told_stages, unshown

SECONDS = 20.0
READY = {"stage": "release_rollout", "step": "ready", "seconds": 2.04}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEGIN_SECONDS", 0.0)
    monkeypatch.setattr(module, "LINE_SECONDS", 0.02)


def shown_of(text: str, number: int) -> tuple[list[tuple[str, str]], int]:
    """Return what was shown of a text that the host printed, and how many steps that was."""
    shown: list[tuple[str, str]] = []
    words = [sys.executable, "-c", f"import sys, time; print({text!r}, flush=True); time.sleep(60)"]
    with following(words, lambda stage, steps: shown.append((stage, steps))) as follower:
        assert follower
        deadline = time.monotonic() + SECONDS
        while len(shown) < number:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    return shown, follower.told


@pytest.mark.parametrize(
    ("events", "lines"),
    [
        ([READY], [("release_rollout", "ready 2.0 s")]),
        ([{**READY, "failed": True}], [("release_rollout", "ready 2.0 s failed")]),
        ([{"stage": "release_rollout", "step": "ready", "running": 10}], [("release_rollout", "ready … 10 s")]),
        (
            [{"stage": "release_prepare", "step": "image", "seconds": 0.5}, {**READY, "step": "start"}, READY],
            [("release_prepare", "image 0.5 s"), ("release_rollout", "start 2.0 s · ready 2.0 s")],
        ),
        ([], []),
    ],
)
def test_steps_as_lines(events: list[dict[str, Any]], lines: list[tuple[str, str]]) -> None:
    assert list(said(events)) == lines


def test_what_is_no_step_is_passed_over() -> None:
    text = 'Welcome!\n{"stage": "release_prepare"}\n[1]\n{"stage": "release_rollout", "step": "ready", "seconds": 2.0}\n{"cut": '
    assert shown_of(text, 1) == ([("release_rollout", "ready 2.0 s")], 1)


def test_a_call_that_ends_soon_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEGIN_SECONDS", 60.0)
    with following(["/nonexistent"], lambda stage, steps: None) as follower:
        pass
    assert follower and follower.told == 0


def test_steps_that_were_shown_are_not_shown_again() -> None:
    steps = [{"step": name, "seconds": 1.0} for name in ("preflight", "plan")]
    result = {"steps": steps, "then": [{"stage": "release_rollout", "steps": steps}, {"stage": "release_finish", "steps": steps}]}
    left = [(stage, [step["step"] for step in body["steps"]]) for stage, body in unshown(told_stages("prepare", result), 3)]
    assert left == [("prepare", []), ("rollout", ["plan"]), ("finish", ["preflight", "plan"])]


def test_the_command_reads_the_file_until_its_writer_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DIRECTORY", str(tmp_path))
    with subprocess.Popen(["sleep", "60"]) as writer:
        file = tmp_path / f"a1b2.{writer.pid}"
        file.write_text("first\n")
        with subprocess.Popen(["sh", "-c", command("a1b2")], stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdout and reader.stdout.readline() == "first\n"
            with file.open("a") as more:
                more.write("second\n")
            assert reader.stdout.readline() == "second\n"
            writer.kill()
            writer.wait()
            assert reader.stdout.read() == ""
            assert reader.wait(SECONDS) == 0


def test_without_a_file_it_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DIRECTORY", str(tmp_path))
    done = subprocess.run(["sh", "-c", command("a1b2")], capture_output=True, timeout=SECONDS, check=False, env=dict(os.environ))
    assert done.stdout == b""
