"""How a stage gets to the program on the host: by one call, or by bringing the program first."""

import base64
import io
import json
import zipfile
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.fairlead.fastapi.plugins.action.host_program import MISSING, NOT_PROVISIONED, ActionModule
from ansible_collections.fairlead.fastapi.plugins.plugin_utils._host_program import program, version

PATH = f"/usr/local/lib/fairlead/{program().name}/fairlead"
TARGET: dict[str, Any] = {"app": "shop", "run": "r", "owner": "o", "settings": {}, "registry_password": "hidden-word"}
LIVE = '{"changed": false, "live": null}'


class FakeHost:
    """What is called on the host, and what it answers by turns."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, str]] = []
        self.modules: list[dict[str, Any]] = []

    def call(self, command: str, in_data: bytes = b"") -> dict[str, Any]:
        self.calls.append((command, in_data.decode()))
        code, out = self.answers.pop(0)
        return {"rc": code, "stdout": out, "stderr": "" if out else "Traceback\nKeyError: 'x'"}

    def module(self, name: str, arguments: dict[str, Any], task_vars: object) -> dict[str, Any]:
        self.modules.append(arguments)
        changed = self.answers.pop(0)[0] if self.answers and not self.answers[0][1] else 0
        directory = "/tmp/fairlead-x" if arguments.get("temporary") else f"/usr/local/lib/fairlead/{arguments['name']}"
        return {"changed": bool(changed), "path": f"{directory}/fairlead"}


def run(
    monkeypatch: pytest.MonkeyPatch,
    host: FakeHost,
    name: str = "release_status",
    check: bool = False,
    pipelining: bool = True,
    python: str = "auto_silent",
    **args: Any,
) -> dict[str, Any]:
    action = ActionModule.__new__(ActionModule)
    action._task = SimpleNamespace(action=f"fairlead.fastapi.{name}", args=args, check_mode=check)
    action._connection = SimpleNamespace(_shell=SimpleNamespace(join_path=lambda *parts: "/".join(parts)))
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
    fakes = {
        "_reader": lambda run: None,
        "_low_level_execute_command": host.call,
        "_execute_module": host.module,
        "_compute_environment_string": lambda: "",
        "_is_pipelining_enabled": lambda style: pipelining,
        "_make_tmp_path": lambda: "/tmp/x",
        "_transfer_data": lambda path, text: host.calls.append((path, text)),
        "_fixup_perms2": lambda paths, execute: None,
    }
    for attribute, fake in fakes.items():
        monkeypatch.setattr(action, attribute, fake)
    result: dict[str, Any] = action.run(None, {"ansible_python_interpreter": python})
    return result


def test_a_stage_is_one_call_with_its_options_on_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost((0, f"some banner\n{LIVE}\n"))
    assert run(monkeypatch, host, "release_target", check=True, **TARGET) == {"changed": False, "live": None}
    ((command, sent),) = host.calls
    assert f"{PATH} stage" in command and "hidden-word" not in command
    document = json.loads(sent)
    assert (document["stage"], document["check"], document["params"]["registry_password"]) == ("release_target", True, "hidden-word")
    assert document["params"]["lease_seconds"] == 15, "the program is given defaults too"


@pytest.mark.parametrize(
    ("code", "check", "temporary"),
    [(MISSING, False, False), (MISSING, True, True), (NOT_PROVISIONED, False, True), (NOT_PROVISIONED, True, True)],
)
def test_a_missing_program_is_brought_where_something_may_change(
    monkeypatch: pytest.MonkeyPatch, code: int, check: bool, temporary: bool
) -> None:
    host = FakeHost((code, "no"), (0, LIVE))
    assert run(monkeypatch, host, check=check, app="shop")["live"] is None
    (brought,) = host.modules
    assert brought["temporary"] is temporary
    files = zipfile.ZipFile(io.BytesIO(base64.b64decode(brought["archive"]))).namelist()
    assert set(files) == set(program().files)
    assert ("rm -rf" in host.calls[1][0]) is temporary


def test_without_pipelining_the_options_lie_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost((0, LIVE))
    run(monkeypatch, host, pipelining=False, app="shop")
    (path, sent), (command, nothing) = host.calls
    assert (path, json.loads(sent)["stage"], nothing) == ("/tmp/x/stage.json", "release_status", "")
    assert command.endswith(f"}} <{path}")


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("release_status", {}, "missing required arguments: app"),
        ("release_status", {"app": "shop", "strickt": True}, "release_status: .*strickt.*Supported"),
        ("release_target", {**TARGET, "schema": "forget"}, "schema must be one of"),
    ],
)
def test_wrong_options_are_told_before_the_host_is_asked(monkeypatch: pytest.MonkeyPatch, name: str, args: Any, words: str) -> None:
    host = FakeHost()
    with pytest.raises(AnsibleActionFail, match=words):
        run(monkeypatch, host, name, **args)
    assert not host.calls


def test_a_program_without_an_answer_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AnsibleActionFail, match="release_status ended without an answer: KeyError: 'x'"):
        run(monkeypatch, FakeHost((1, "")), app="shop")


def test_the_python_that_is_set_for_the_host_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost((0, LIVE))
    run(monkeypatch, host, python="/opt/python 3/bin/python3", app="shop")
    assert f"then '/opt/python 3/bin/python3' -IS {PATH.removesuffix('/fairlead')} stage;" in host.calls[0][0]


def test_what_the_host_says_is_without_the_secrets_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost((0, '{"changed": false, "msg": "it is hidden-word"}'))
    assert "hidden-word" not in str(run(monkeypatch, host, "release_target", **TARGET))


@pytest.mark.parametrize(
    ("current", "check", "changed", "archives"),
    [
        (program().name, False, False, []),
        ("other", True, True, [False]),
        ("other", False, True, [False, True]),
        ("", False, True, [False, True]),
    ],
)
def test_provisioning_brings_it_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, current: str, check: bool, changed: bool, archives: list[bool]
) -> None:
    host = FakeHost((0, current or "no\n"), (1, ""), (1, ""))
    assert run(monkeypatch, host, "host_program", check=check)["changed"] is changed
    assert [bool(module.get("archive")) for module in host.modules] == archives
    assert {module["version"] for module in host.modules} <= {version()}


def test_what_provisioning_does_needs_no_provisioned_host(monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost((MISSING, "no"), (0, '{"changed": true}'))
    assert run(monkeypatch, host, "host_files", absent=["/etc/x"]) == {"changed": True}
    ((command, _), _) = host.calls
    assert "-d /usr/local/lib/fairlead " in command
    assert [module["temporary"] for module in host.modules] == [False]


def test_nor_is_what_it_says_when_it_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost((1, ""))
    monkeypatch.setattr(host, "call", lambda command, in_data=b"": {"rc": 1, "stdout": "", "stderr": "KeyError: 'hidden-word'"})
    with pytest.raises(AnsibleActionFail) as caught:
        run(monkeypatch, host, "release_target", **TARGET)
    assert "hidden-word" not in f"{caught.value} {caught.value.result}"
