"""What the controller sends to the program, and what it gets back."""

import io
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.program import main as program
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.stage_options import STAGES

ROOT = Path(__file__).parents[6]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """Standard input."""
    written = io.BytesIO()
    monkeypatch.setattr(program.sys, "stdin", SimpleNamespace(buffer=written))
    monkeypatch.setattr(os, "nice", lambda by: 0)
    return written


def test_each_stage_has_its_file() -> None:
    files = {file.stem for file in (ROOT / "plugins/module_utils/_host/stages").glob("*.py")}
    assert files == set(STAGES)


def test_a_stage_is_run_with_what_standard_input_says(asked: io.BytesIO, capsys: pytest.CaptureFixture[str]) -> None:
    asked.write(json.dumps({"stage": "release_status", "params": {"app": "nobody", "strict": False}, "check": True}).encode())
    asked.seek(0)
    assert program.main(["stage"]) == 0, "a failed stage has an answer, which says so"
    answer = json.loads(capsys.readouterr().out)
    assert (answer["failed"], answer["code"], answer["warnings"]) == (True, "NOT_PROVISIONED", [])


def test_nobody_has_to_be_there_to_hear_it(asked: io.BytesIO, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(text: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(program.sys, "stdout", SimpleNamespace(write=write))
    monkeypatch.setattr(program, "run_stage", lambda document: {})
    assert program.main(["stage"]) == 0
