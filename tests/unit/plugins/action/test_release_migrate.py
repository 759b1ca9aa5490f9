"""Before the stage runs on a host, the plan's migrations are judged on the controller."""

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.fairlead.fastapi.plugins.action.host_program import ActionModule as HostProgram
from ansible_collections.fairlead.fastapi.plugins.action.release_migrate import ActionModule
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.review import squawk, statements

DROP = {"revision": "0003", "down": ["0002"], "title": "Drop it", "sql": "ALTER TABLE items DROP COLUMN note;"}
PLAN = {"tool": "alembic", "pending": [DROP]}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the program was called with."""
    calls: list[dict[str, Any]] = []

    def stage(self: HostProgram, name: str, arguments: dict[str, Any], task_vars: object) -> dict[str, Any]:
        calls.append(arguments)
        return {"failed": True, "msg": "CONTRACT_BLOCKED: why"} if arguments.get("app") == "blocked" else {"changed": True}

    monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
    monkeypatch.setattr(HostProgram, "stage", stage)
    return calls


def run(diff: bool = False, **arguments: Any) -> dict[str, Any]:
    action = ActionModule.__new__(ActionModule)
    action._task = SimpleNamespace(action="fairlead.fastapi.release_migrate", args=arguments, diff=diff)
    return action.run(None, {})


def test_the_stage_gets_classes_and_findings(sent: list[dict[str, Any]]) -> None:
    run(app="shop", plan=PLAN, lint=True)
    ((migration,), others) = sent[0]["plan"].pop("pending"), sent[0]
    assert (migration["class"], migration["findings"][0]["rule"]) == ("contract", "ban-drop-column")
    assert others == {"app": "shop", "plan": {"tool": "alembic"}}
    assert "class" not in DROP, "the prepared plan of other tasks was changed"


def test_without_the_linter_each_is_unknown(sent: list[dict[str, Any]]) -> None:
    run(plan=PLAN, lint="false")
    assert [migration["class"] for migration in sent[0]["plan"]["pending"]] == ["unknown"]


def test_the_difference_is_what_is_pending(sent: list[dict[str, Any]]) -> None:
    assert "-- class: contract" in run(diff=True, plan=PLAN)["diff"]["prepared"]
    assert "diff" not in run(diff=True, plan={"tool": "none", "pending": []})


def test_a_failure_has_it_in_its_message(sent: list[dict[str, Any]]) -> None:
    message = run(diff=True, app="blocked", plan=PLAN)["msg"]
    assert message.startswith("CONTRACT_BLOCKED: why\n") and DROP["sql"] in message
    assert run(app="blocked", plan=PLAN)["msg"] == "CONTRACT_BLOCKED: why"


def test_a_missing_linter_is_reported_before_anything_runs(sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(squawk, "find", lambda: None)
    with pytest.raises(AnsibleActionFail, match="CONFIG: squawk, which judges migrations, is not installed on the controller") as caught:
        run(plan=PLAN)
    assert caught.value.result["code"] == "CONFIG"
    assert not sent


def test_a_missing_parser_is_reported_before_anything_runs(sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "pglast", None)
    with pytest.raises(AnsibleActionFail, match="CONFIG: pglast, which reads the SQL of migrations, is not installed"):
        run(plan=PLAN)
    run(plan=PLAN, lint=False)
    run(plan={"tool": "none", "pending": []})
    assert len(sent) == 2
