"""What the callback makes of results and counts: tables."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.plugin_utils._run_told import HostRun, code, outcome, problem, stage_of, text, work
from callback.fakes_callback import NONE, Task

R12 = {"id": "r12", "tag": "v2"}
DONE = {"release": R12, "steps": [{"step": "pull", "seconds": 1}]}


@pytest.mark.parametrize(
    ("action", "stage"),
    [
        ("fairlead.fastapi.release_prepare", "prepare"),
        ("release_rollout", "rollout"),
        ("fairlead.fastapi.check_input", ""),
        ("acme.other.release_prepare", ""),
        ("ansible.builtin.debug", ""),
    ],
)
def test_a_stage_is_a_module_of_this_collection(action: str, stage: str) -> None:
    assert stage_of(Task(action)) == stage


@pytest.mark.parametrize(
    ("result", "line"),
    [
        ({"steps": [{"step": "pull", "seconds": 1.26}, {"step": "bundle", "seconds": 0.02}]}, "pull 1.3 s · bundle 0.0 s"),
        ({"steps": [{"step": "ready", "seconds": 30, "failed": True}]}, "ready 30.0 s failed"),
        ({"steps": [{"step": "drain"}]}, "drain 0.0 s"),
        ({"steps": "of another module"}, ""),
        ({"steps": [1, {"other": 2}]}, ""),
        ({}, ""),
    ],
)
def test_the_steps_of_a_stage_are_one_line(result: dict[str, Any], line: str) -> None:
    assert work(result) == line


@pytest.mark.parametrize(
    ("result", "lines"),
    [
        ({"code": "LOCKED", "msg": "LOCKED: bob releases\nTo do: wait", "rc": 1}, ["LOCKED: bob releases", "To do: wait"]),
        ({"msg": "DIGEST_MISMATCH: v2 was moved", "stdout": "x"}, ["DIGEST_MISMATCH: v2 was moved"]),
        (
            {"msg": "non-zero return code", "rc": 2, "stderr": "no such\nfile", "stdout": ""},
            ["non-zero return code", "exit code: 2", "stderr:", "  no such", "  file"],
        ),
        ({"msg": "said", "stderr": "said\n"}, ["said"]),
        ({"msg": "x", "stdout": "\n".join(map(str, range(30)))}, ["x", "stdout:", *(f"  {n}" for n in range(10, 30))]),
        ({}, ["no message"]),
        ({"msg": "with a secret", "censored": "hidden"}, ["hidden"]),
    ],
)
def test_a_failure_names_cause_state_and_remedy(result: dict[str, Any], lines: list[str]) -> None:
    assert problem(result) == lines


@pytest.mark.parametrize(
    ("result", "lines"),
    [
        ({"msg": "could not touch target"}, ["could not touch target", "because: [Errno 2] no such directory"]),
        ({"msg": "could not: [Errno 2] no such directory"}, ["could not: [Errno 2] no such directory"]),
        ({"msg": "LOCKED: bob releases"}, ["LOCKED: bob releases"]),
        ({"msg": "x", "censored": "hidden"}, ["hidden"]),
    ],
)
def test_the_cause_is_shown_where_the_message_lacks_it(result: dict[str, Any], lines: list[str]) -> None:
    assert problem(result, "[Errno 2] no such directory") == lines


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Missing sudo password", ["-K", "ansible_become_password"]),
        ("Task failed: Incorrect sudo password", ["-K", "ansible_become_password"]),
        ("ops is not in the sudoers file.", ["ansible_user", "sudo"]),
        ("Failed to connect to the host via ssh: ops@vps1: Permission denied (publickey).", ["ansible_ssh_private_key_file"]),
        ("Failed to connect to the host via ssh: Host key verification failed.", ["by hand"]),
    ],
)
def test_what_to_do_follows_where_ansible_does_not_say_it(message: str, words: list[str]) -> None:
    first, last = problem({"msg": message})
    assert first == message and last.startswith("To do: ")
    for word in words:
        assert word in last


@pytest.mark.parametrize(
    ("result", "found"),
    [
        ({"code": "LOCKED", "msg": "whatever"}, "LOCKED"),
        ({"msg": "DIGEST_MISMATCH: v2 was moved"}, "DIGEST_MISMATCH"),
        ({"msg": "Error: no"}, ""),
        ({"msg": ["CONFIG: 2 problems in your variables", "1. x"]}, "CONFIG"),
        ({}, ""),
    ],
)
def test_a_code_comes_from_the_result_or_begins_its_message(result: dict[str, Any], found: str) -> None:
    assert code(result) == found


@pytest.mark.parametrize(
    ("value", "shown"),
    [("a", "a"), (["a", "b"], "a\nb"), ([], ""), (7, "7"), (["a", 1], '[\n  "a",\n  1\n]'), ({"ü": None}, '{\n  "ü": null\n}')],
)
def test_what_is_text_stays_text(value: object, shown: str) -> None:
    assert text(value) == shown


def after(*stages: tuple[str, dict[str, Any]], **fields: Any) -> HostRun:
    run = HostRun()
    for stage, result in stages:
        run.stage_done(stage, result)
    for name, value in fields.items():
        setattr(run, name, value)
    return run


PREPARED = ("prepare", DONE)


@pytest.mark.parametrize(
    ("run", "counts", "said"),
    [
        (after(PREPARED, ("rollout", {}), ("finish", DONE)), {"changed": 3}, "r12 (v2) is live"),
        (after(("target", DONE), ("rollout", {}), ("finish", DONE)), {"changed": 3}, "r12 (v2) is live"),
        (after(("prepare", {**DONE, "unchanged": True})), {}, "unchanged, r12 (v2) is live"),
        (after(PREPARED), {"changed": 1}, "ended after prepare"),
        (after(PREPARED, ("rollout", {})), {"changed": 2}, "ended after rollout; r12 (v2) serves, and the next run finishes it"),
        (after(PREPARED, failure="NOT_READY, serving r11", failed_in_stage=True), {"failures": 1}, "failed NOT_READY, serving r11"),
        (after(PREPARED, failure="NOT_READY", failed_in_stage=True), {"rescued": 1}, "failed NOT_READY"),
        (after(failure="in a task"), {"rescued": 1}, "unchanged"),
        (after(PREPARED, lost="rollout"), {"unreachable": 1}, "unreachable in rollout"),
        (after(), {"unreachable": 1}, "unreachable"),
        (after(), {"failures": 1}, "failed"),
        (after(("status", {"live": R12, "health": "ready"})), {"ok": 2}, "r12 (v2) is live, ready"),
        (after(("status", {"live": None, "health": "nothing is live"})), {"ok": 2}, "nothing is live"),
        (after(), {"ok": 9, "changed": 2}, "2 changed, 7 ok"),
        (after(), {"ok": 9}, "unchanged"),
    ],
)
def test_the_outcome_of_a_host(run: HostRun, counts: dict[str, int], said: str) -> None:
    assert outcome(run, {**NONE, **counts}, check=False)[0] == said


def test_a_stage_that_succeeds_later_takes_a_failure_back() -> None:
    run = after(PREPARED, failure="NOT_READY", failed_in_stage=True)
    run.stage_done("finish", DONE)
    assert outcome(run, {**NONE, "rescued": 1}, check=False)[0] == "r12 (v2) is live"


def test_check_mode_shows_what_would_change() -> None:
    run = after(PREPARED, ("rollout", {}))
    assert outcome(run, {**NONE, "changed": 2}, check=True)[0] == "r12 (v2) would be put into service"
