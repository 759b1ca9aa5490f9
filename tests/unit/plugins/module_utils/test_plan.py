"""A plan: what an image was made for, compared with the database, without changing either."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils import _docker, _plan
from ansible_collections.fairlead.fastapi.plugins.module_utils._command import CommandTimeout, Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from fakes import fails
from fakes_database import FIRST, NEWER, FakeDatabase, migration
from fakes_host import SETTINGS

TWO = "0002 -> 0003b (head), B\n0002 -> 0003a (head), A\n<base> -> 0002 (branchpoint), Begin\n"
BLOCK = "-- Running upgrade {down} -> {revision}\n\nSELECT {revision};\n"


class Tool:
    """What an image's tool answers, by its last two words; notes what it was asked."""

    def __init__(self, **answers: Finished | ReleaseError) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def compose(self, project: str, directory: Path, *arguments: str, seconds: float, merge: bool = False) -> Finished:
        command = arguments[arguments.index("--name") + 3 :]
        self.asked.append(" ".join(command))
        answer = self.answers.get(command[-2] if command[-1] == "--sql" else command[-1], Finished(0, "", ""))
        if isinstance(answer, ReleaseError):
            raise answer
        return answer


@pytest.fixture
def database() -> FakeDatabase:
    return FakeDatabase(lambda what, about: None)


def plan(
    monkeypatch: pytest.MonkeyPatch, tool: Tool, database: FakeDatabase | None, known: Sequence[Any] = (), **settings: Any
) -> _plan.Plan:
    monkeypatch.setattr(_docker, "compose", tool.compose)
    image = _plan.Image("shop-r2", Path("/r2"), "r2 (shop:v2)", {**SETTINGS, **settings})
    return _plan.make_plan(image, database, {one["revision"]: one for one in known})  # type: ignore[arg-type]


def test_what_is_pending_comes_with_its_sql(monkeypatch: pytest.MonkeyPatch, database: FakeDatabase) -> None:
    sql = "BEGIN;\n" + BLOCK.format(down="0002", revision="0003")
    tool = Tool(history=Finished(0, NEWER, ""), **{"0002:head": Finished(0, sql, "")})
    pending = {"revision": "0003", "down": ["0002"], "title": "Add a color", "sql": "SELECT 0003;"}
    found = plan(monkeypatch, tool, database)
    assert found.as_dict() == {"tool": "alembic", "heads": ["0003"], "revision": ["0002"], "fresh": False, "pending": [pending]}
    assert tool.asked == ["alembic history", "alembic upgrade 0002:head --sql"]


def test_nothing_pending_costs_one_question(monkeypatch: pytest.MonkeyPatch, database: FakeDatabase) -> None:
    tool = Tool(history=Finished(0, FIRST, ""))
    assert plan(monkeypatch, tool, database).pending == []
    assert tool.asked == ["alembic history"]


def test_an_empty_database_is_planned_from_the_beginning(monkeypatch: pytest.MonkeyPatch, database: FakeDatabase) -> None:
    database.revision, database.tables = [], 0
    tool = Tool(history=Finished(0, FIRST, ""))
    found = plan(monkeypatch, tool, database)
    assert (found.fresh, [one["revision"] for one in found.pending]) == (True, ["0001", "0002"])
    assert tool.asked[-1] == "alembic upgrade head --sql"


@pytest.mark.parametrize("last", [Finished(0, BLOCK.format(down="0003", revision="0004"), ""), Finished(1, "", "no config")])
def test_after_one_whose_sql_cannot_be_told_the_rest_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, database: FakeDatabase, last: Finished
) -> None:
    history = "0003 -> 0004 (head), Last\n0002 -> 0003, Reads rows\n<base> -> 0002, Begin\n"
    database.revision, database.tables = [], 0
    head = BLOCK.format(down="", revision="0002") + "-- Running upgrade 0002 -> 0003\n"
    tool = Tool(history=Finished(0, history, ""), head=Finished(1, head, "Traceback"), **{"0003:head": last})
    found = plan(monkeypatch, tool, database).pending
    assert [one["sql"] for one in found] == ["SELECT 0002;", None, None if last.code else "SELECT 0004;"]
    assert len(tool.asked) == 3


def test_from_several_revisions_no_sql_can_be_told(monkeypatch: pytest.MonkeyPatch, database: FakeDatabase) -> None:
    database.revision = ["0003a", "0003b"]
    history = "0003a, 0003b -> 0004 (head) (mergepoint), Merge\n" + TWO.replace(" (head)", "")
    tool = Tool(history=Finished(0, history, ""))
    assert [one["sql"] for one in plan(monkeypatch, tool, database).pending] == [None]
    assert tool.asked == ["alembic history"]


@pytest.mark.parametrize(
    ("known", "code"),
    [
        ([migration("0003", "0002")], None),
        ([migration("0003", "0002", kind="contract")], "REVISION_CONFLICT"),
        ([migration("0003", "0002", kind="unknown")], "REVISION_CONFLICT"),
        ([], "REVISION_CONFLICT"),
    ],
)
def test_an_earlier_image_fits_where_nothing_was_taken_away(
    monkeypatch: pytest.MonkeyPatch, database: FakeDatabase, known: list[Any], code: str | None
) -> None:
    database.revision = ["0003"]
    tool = Tool(history=Finished(0, FIRST, ""))
    if code is None:
        found = plan(monkeypatch, tool, database, known)
        assert (found.heads, found.revision, found.pending) == (["0002"], ["0003"], [])
        return
    with fails(code) as caught:
        plan(monkeypatch, tool, database, known)
    assert "which is at 0003: the database is at 0003, which the image does not know" in caught.value.what
    assert caught.value.details == [f"{one['revision']} ({one['class']}): Do {one['revision']}" for one in known]


@pytest.mark.parametrize(("target", "code"), [("head", "REVISION_CONFLICT"), ("heads", None)])
def test_several_heads_are_refused_where_one_is_wanted(
    monkeypatch: pytest.MonkeyPatch, database: FakeDatabase, target: str, code: str | None
) -> None:
    tool = Tool(history=Finished(0, TWO, ""))
    command = ["alembic", "upgrade", target]
    if code is None:
        assert len(plan(monkeypatch, tool, database, migrate_command=command).pending) == 2
        return
    with fails(code) as caught:
        plan(monkeypatch, tool, database, migrate_command=command)
    assert "the image has 2 heads, 0003a, 0003b" in caught.value.what
    assert tool.asked == ["alembic history"], "nothing else was run"


OTHER = {"migrate_command": ["flyway", "migrate"]}


def test_without_migrations_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    tool = Tool()
    assert plan(monkeypatch, tool, None, migrate=False) == _plan.Plan()
    assert tool.asked == []


@pytest.mark.parametrize(("settings", "code"), [({}, "DB_UNKNOWN"), (OTHER, "DB_UNKNOWN"), ({**OTHER, "migrate_backup": False}, None)])
def test_a_database_of_which_nothing_is_known(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], code: str | None) -> None:
    if code is None:
        assert [one["revision"] for one in plan(monkeypatch, Tool(), None, **settings).pending] == ["flyway migrate"]
        return
    with fails(code) as caught:
        plan(monkeypatch, Tool(), None, **settings)
    assert "app_database_url" in caught.value.todo


@pytest.mark.parametrize(
    ("asks", "answer", "pending"),
    [
        ([], "", ["flyway migrate"]),  # always something to do
        (["flyway", "pending"], "V2__color.sql\n\n V3__size.sql \n", ["V2__color.sql", "V3__size.sql"]),
        (["flyway", "pending"], "\n", []),
    ],
)
def test_another_tool_names_what_is_pending(
    monkeypatch: pytest.MonkeyPatch, database: FakeDatabase, asks: list[str], answer: str, pending: list[str]
) -> None:
    found = plan(monkeypatch, Tool(pending=Finished(0, answer, "")), database, **OTHER, migrate_pending_command=asks)
    assert [one["revision"] for one in found.pending] == pending
    assert (found.tool, found.heads, found.revision) == ("command", ["schema:abc"], ["schema:abc"])


@pytest.mark.parametrize(
    ("settings", "asked", "answer", "code", "words"),
    [
        ({}, "history", Finished(1, "half", "ImportError: app"), "MIGRATION_FAILED", "could not list its migrations"),
        ({}, "history", CommandTimeout("COMMAND_TIMEOUT", "", ""), "MIGRATION_TIMEOUT", "`alembic history` of r2 (shop:v2) did not end"),
        (
            {**OTHER, "migrate_pending_command": ["list"]},
            "list",
            Finished(2, "", "no such word"),
            "MIGRATION_FAILED",
            "could not tell what is pending",
        ),
    ],
)
def test_a_tool_that_cannot_tell(
    monkeypatch: pytest.MonkeyPatch,
    database: FakeDatabase,
    settings: dict[str, Any],
    asked: str,
    answer: Finished | ReleaseError,
    code: str,
    words: str,
) -> None:
    removed: list[str] = []
    monkeypatch.setattr(_docker, "remove", removed.append)
    with fails(code) as caught:
        plan(monkeypatch, Tool(**{asked: answer}), database, **settings)
    assert words in caught.value.what
    if isinstance(answer, Finished):
        assert caught.value.details == [*answer.out.splitlines(), *answer.err.splitlines()]
        assert removed == []
    else:
        assert [name.rpartition("-")[0] for name in removed] == ["shop-r2"], "its container is gone as well"


def test_a_database_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch, database: FakeDatabase) -> None:
    database.failing["look"] = ReleaseError("DB_UNREACHABLE", "", "")
    with fails("DB_UNREACHABLE"):
        plan(monkeypatch, Tool(history=Finished(0, FIRST, "")), database)
