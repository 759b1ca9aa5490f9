"""The callback in a real run of ansible-playbook, with stages that only answer."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[4]
SECRET = "s3cr3t-of-the-registry"
FAILED = "NOT_READY: r12 (v2) did not get ready\nServing now: r11 (shop:v1)\nTo do: mend it\nEvidence:\n  HTTP 503"
ANSWERS = {
    "release_prepare": {
        "changed": True,
        "release": {"id": "r12", "tag": "v2"},
        "steps": [{"step": "pull", "seconds": 1.2}],
        "warnings": ["DRIFT: edited by hand"],
        "diff": [{"before": "LOG=info\n", "after": "LOG=debug\n"}],
        "invocation": {"module_args": {"registry_password": SECRET}},
    },
    "release_rollout": {
        "failed": True,
        "code": "NOT_READY",
        "serving": "r11 (shop:v1)",
        "msg": FAILED,
        "steps": [{"step": "ready", "seconds": 30, "failed": True}],
    },
}
TASKS: list[dict[str, Any]] = [
    {"name": "Prepare", "release_prepare": {}},
    {"name": "Say where", "ansible.builtin.debug": {"msg": "shop goes to {{ item }}"}, "loop": ["r12"]},
    {"name": "Hide", "ansible.builtin.set_fact": {"secret": SECRET}, "no_log": True},
    {
        "name": "Hide each",
        "ansible.builtin.command": "/bin/false {{ item }}",
        "loop": [SECRET],
        "no_log": True,
        "ignore_errors": True,
        "changed_when": False,
    },
    {"name": "Not here", "ansible.builtin.debug": {"msg": "never"}, "when": False},
    {"name": "Look", "ansible.builtin.command": "/bin/false", "ignore_errors": True, "changed_when": False},
    {"name": "Roll out", "release_rollout": {}},
]


BROKEN: list[dict[str, Any]] = [
    {"name": "Touch", "ansible.builtin.file": {"path": "/nonexistent/file", "state": "touch"}, "when": "inventory_hostname == 'a'"},
    {
        "name": "Each",
        "ansible.builtin.shell": "{{ item }}",
        "loop": ["true", "echo why >&2; exit 3"],
        "when": "inventory_hostname == 'b'",
    },
    {
        "name": "Reach",
        "ansible.builtin.raw": "true",  # sends nothing to ssh: of what had to be sent, the loss might be what is told
        "vars": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1},
        "when": "inventory_hostname == 'c'",
    },
]


def play(directory: Path, *arguments: str, tasks: list[dict[str, Any]] = TASKS, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the tasks against localhost.

    Args:
        directory: for the play and the modules that stand in for the stages.
        arguments: of ansible-playbook.
        tasks: of the play.
        environment: added to the present one.
    """
    modules = directory / "library"
    modules.mkdir(exist_ok=True)
    for name, answer in ANSWERS.items():
        (modules / name).write_text(f"#!/bin/sh\n# WANT_JSON\ncat <<'END'\n{json.dumps(answer)}\nEND\n")
    (directory / "play.yml").write_text(json.dumps([{"name": "Go", "hosts": "all", "gather_facts": False, "tasks": tasks}]))
    return subprocess.run(
        [
            "ansible-playbook",
            "-c",
            "local",
            *(arguments if "-i" in arguments else ("-i", "vps1,", *arguments)),
            str(directory / "play.yml"),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "ANSIBLE_STDOUT_CALLBACK": "fairlead.fastapi.release",
            "ANSIBLE_LIBRARY": str(modules),
            "ANSIBLE_NOCOLOR": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_run_reads_as_it_was_meant(tmp_path: Path) -> None:
    done = play(tmp_path, "--diff")
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        "vps1  prepare   …",
        "vps1  diff      prepare",
        "--- before",
        "+++ after",
        "@@ -1 +1 @@",
        "-LOG=info",
        "+LOG=debug",
        "",
        "vps1  warning   DRIFT: edited by hand",
        "vps1  prepare   pull 1.2 s",
        "vps1  shop goes to r12",
        "Go",
        "vps1  ignored   Hide each: the output has been hidden due to the fact that 'no_log: true' was specified for this result",
        "vps1  ignored   Look: The command exited with a non-zero return code.",
        "vps1  rollout   …",
        "vps1  rollout   ready 30.0 s failed",
        "vps1  FAILED    rollout",
        *(f"  {line}" for line in FAILED.splitlines()),
        "",
        "host  outcome                        phases                          total",
        "vps1  failed NOT_READY, serving r11  prepare 1.2 s · rollout 30.0 s  31.2 s",
    ]
    assert done.stderr == ""


def test_failures_of_other_tasks_show_what_ansible_knows(tmp_path: Path) -> None:
    done = play(tmp_path, "-i", "a,b,c", tasks=BROKEN, ANSIBLE_SSH_RETRIES="0")
    before, _, after = done.stdout.partition("c  UNREACHABLE  Reach\n")
    path = f"{tmp_path.resolve()}/play.yml"
    assert [line.partition(path)[0] for line in before.splitlines()] == [
        "Go",
        "a  FAILED    Touch",
        "  Error, could not touch target.",
        "  because: [Errno 2] No such file or directory: b'/nonexistent/file'",
        "  task: ",
        "b  FAILED    Each",
        "  item echo why >&2; exit 3:",
        "    The command exited with a non-zero return code.",
        "    exit code: 3",
        "    stderr:",
        "      why",
        "  task: ",
    ]
    assert "Connection refused" in after
    assert "  Serving now: not known from here" in after
    assert after.splitlines()[-4:] == ["host  outcome", "a     failed in Touch", "b     failed in Each", "c     unreachable"]


@pytest.mark.parametrize("verbosity", ["-vvv"])
def test_more_is_shown_when_asked_for_but_no_secret(tmp_path: Path, verbosity: str) -> None:
    done = play(tmp_path, verbosity)
    assert "vps1  ok: Prepare => " in done.stdout
    assert "DRIFT: edited by hand" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert "deprecat" not in (done.stdout + done.stderr).lower()


def test_it_documents_itself() -> None:
    done = subprocess.run(
        ["ansible-doc", "-t", "callback", "--json", "fairlead.fastapi.release"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    documented = json.loads(done.stdout)["fairlead.fastapi.release"]["doc"]
    assert documented["type"] == "stdout"
    assert {"display_failed_stderr", "result_format"} <= documented["options"].keys()
