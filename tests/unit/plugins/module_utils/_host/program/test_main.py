"""What the controller sends to the program, and what it gets back."""

import io
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.program import main as program
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.stage_options import STAGES, TASKS

ROOT = Path(__file__).parents[6]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """Standard input."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=written))
    monkeypatch.setattr(os, "nice", lambda by: 0)
    return written


def test_each_stage_and_each_task_has_its_file() -> None:
    host = ROOT / "plugins/module_utils/_host"
    assert {file.stem for file in (host / "stages").glob("*.py")} == set(STAGES)
    assert {file.stem for file in (host / "provision").glob("*.py")} - {"files"} == set(TASKS)


def test_a_stage_is_run_with_what_standard_input_says(asked: io.BytesIO, capsys: pytest.CaptureFixture[str]) -> None:
    asked.write(json.dumps({"stage": "release_status", "params": {"app": "nobody", "strict": False}, "check": True}).encode())
    asked.seek(0)
    assert program.main(["stage"]) == 0, "a failed stage has an answer, which says so"
    answer = json.loads(capsys.readouterr().out)
    assert (answer["failed"], answer["code"], answer["warnings"]) == (True, "NOT_PROVISIONED", [])


def test_nobody_has_to_be_there_to_hear_it(asked: io.BytesIO, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(text: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", SimpleNamespace(write=write))
    monkeypatch.setattr(program, "run_stage", lambda document: {})
    assert program.main(["stage"]) == 0


LIVE = {"changed": True, "release": {"id": "r7"}, "warnings": [], "steps": []}
PREPARED: dict[str, Any] = {**LIVE, "unchanged": False, "plan": {"due": False}}
NOT_READY = {
    "failed": True,
    "msg": "NOT_READY: why",
    "code": "NOT_READY",
    "serving": "r6 (v1)",
    "warnings": ["SCHEMA_AHEAD: it"],
    "steps": [],
}


def called(monkeypatch: pytest.MonkeyPatch, stage: str, answers: dict[str, Any], **params: Any) -> tuple[dict[str, Any], list[str]]:
    """Run a stage, with each stage answered by its fake, and return the result and which stages ran."""
    ran: list[str] = []
    nice: list[int] = []

    def perform(name: str, params: dict[str, Any], check: bool, progress: None) -> dict[str, Any]:
        ran.append(name)
        assert name == stage or params["release"] == "r7"
        return dict(answers[name])

    monkeypatch.setattr(program, "_perform", perform)
    monkeypatch.setattr(os, "nice", nice.append)
    document = {"stage": stage, "params": {"app": "shop", "lock_wait": 60.0, **params}, "check": False}
    result = program.run_stage(json.dumps(document))
    assert nice == [program.NICE], "once for the whole call"
    return result, ran


@pytest.mark.parametrize(
    ("begin", "answer", "go_on", "number"),
    [
        ("release_prepare", PREPARED, True, 3),
        ("release_prepare", PREPARED, False, 1),
        ("release_prepare", {**PREPARED, "plan": {"due": True}}, True, 1),
        ("release_prepare", {**PREPARED, "unchanged": True, "changed": False}, True, 1),
        ("release_prepare", NOT_READY, True, 1),
        ("release_target", {**LIVE, "downgrade": None}, True, 3),
        ("release_target", {**LIVE, "downgrade": {"by": "r7"}}, True, 1),
    ],
)
def test_one_call_goes_as_far_as_the_controller_has_nothing_to_decide(
    monkeypatch: pytest.MonkeyPatch, begin: str, answer: dict[str, Any], go_on: bool, number: int
) -> None:
    answers = {begin: answer, "release_rollout": {**LIVE, "unserved_seconds": 0}, "release_finish": LIVE}
    result, ran = called(monkeypatch, begin, answers, go_on=go_on)
    assert ran == [begin, "release_rollout", "release_finish"][:number]
    assert [each["stage"] for each in result.get("then", [])] == ran[1:]


def test_a_later_stage_that_fails_is_the_failure_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"release_prepare": {**PREPARED, "warnings": ["MEMORY: little"]}, "release_rollout": NOT_READY}
    result, ran = called(monkeypatch, "release_prepare", answers, go_on=True)
    assert ran == ["release_prepare", "release_rollout"]
    assert (result["failed"], result["msg"], result["code"], result["serving"]) == (True, "NOT_READY: why", "NOT_READY", "r6 (v1)")
    assert result["warnings"] == ["MEMORY: little", "SCHEMA_AHEAD: it"]
