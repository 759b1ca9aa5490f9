"""A plan: what an image was made for, compared with the database, without changing either."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import CommandTimeout, Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations import plan as _plan
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.image import Image
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from fakes import fails
from fakes_database import FIRST, NEWER, FakeDatabase, migration, told, told_sql
from fakes_host import settings_with

TWO = "0002 -> 0003b (head), B\n0002 -> 0003a (head), A\n<base> -> 0002 (branchpoint), Begin\n"
BLOCK = "-- Running upgrade {down} -> {revision}\n\nSELECT {revision};\n"


class Tool:
    """What an image answers to our program and to its own command; notes what it was asked, and in which service."""

    def __init__(self, *told: str, **answers: Finished | ReleaseError) -> None:
        self.answers = {"program": Finished(0, "".join(told), ""), **answers}
        self.asked: list[str] = []
        self.services: set[str] = set()
        self.question: dict[str, Any] = {}

    def compose(self, project: str, directory: Path, *arguments: str, seconds: float, merge: bool = False) -> Finished:
        command = arguments[arguments.index("--name") + 3 :]
        self.services.add(arguments[1])
        if "-c" in command and command[-1].startswith("{"):
            self.question = json.loads(command[-1])
            command = (*command[: command.index("-c")], "program")
        self.asked.append(" ".join(command))
        answer = self.answers.get(command[-1], Finished(127, "", "not found"))
        if isinstance(answer, ReleaseError):
            raise answer
        return answer


@pytest.fixture
def database() -> FakeDatabase:
    return FakeDatabase(lambda what, about: None)


def plan(
    monkeypatch: pytest.MonkeyPatch, tool: Tool, database: FakeDatabase | None, known: Sequence[Any] = (), **settings: Any
) -> _plan.Plan:
    monkeypatch.setattr(docker, "compose", tool.compose)
    image = Image("shop-r2", Path("/r2"), "r2 (shop:v2)", "shop@sha256:ab", settings_with(**settings))
    return _plan.make_plan(image, database, {one.revision: one for one in known})  # type: ignore[arg-type]


def test_what_is_pending_comes_with_its_sql(monkeypatch: pytest.MonkeyPatch, database: FakeDatabase) -> None:
    sql = "BEGIN;\n" + BLOCK.format(down="0002", revision="0003")
    tool = Tool(told(NEWER), told_sql(sql))
    pending = {"revision": "0003", "down": ["0002"], "title": "Add a color", "sql": "SELECT 0003;"}
    found = plan(monkeypatch, tool, database)
    known = {"tool": "alembic", "heads": ["0003"], "revision": ["0002"], "fresh": False, "unknown": "", "due": True}
    assert found.as_dict() == {**known, "pending": [pending]}
    assert (tool.asked, tool.services) == (["python3 program"], {"plan"})
    assert tool.question == {"tool": "alembic", "options": [], "target": "head", "current": ["0002"]}


@pytest.mark.parametrize(("commands", "due"), [({}, False), ({"migrate_after_command": ["seed"]}, True)])
def test_nothing_pending_is_something_to_do_only_with_commands_around_it(
    monkeypatch: pytest.MonkeyPatch, database: FakeDatabase, commands: dict[str, Any], due: bool
) -> None:
    found = plan(monkeypatch, Tool(told(FIRST)), database, **commands)
    assert (found.pending, found.due) == ([], due)


def test_an_empty_database_is_planned_from_the_beginning(monkeypatch: pytest.MonkeyPatch, database: FakeDatabase) -> None:
    database.revision, database.tables = [], 0
    tool = Tool(told(FIRST))
    found = plan(monkeypatch, tool, database)
    assert (found.fresh, [one.revision for one in found.pending]) == (True, ["0001", "0002"])
    assert tool.question["current"] == []


def test_a_migration_without_sql_is_the_only_finding(monkeypatch: pytest.MonkeyPatch, database: FakeDatabase) -> None:
    history = "0003 -> 0004 (head), Last\n0002 -> 0003, Reads rows\n<base> -> 0002, Begin\n"
    database.revision, database.tables = [], 0
    first = BLOCK.format(down="", revision="0002") + "-- Running upgrade 0002 -> 0003\n"
    tool = Tool(told(history), told_sql(first, "AttributeError"), told_sql(BLOCK.format(down="0003", revision="0004")))
    found = plan(monkeypatch, tool, database)
    assert [one.sql for one in found.pending] == ["SELECT 0002;", None, "SELECT 0004;"]
    assert found.unknown == "", "one that reads rows is nothing unusual"


def test_env_py_that_cannot_be_run_is_reported(monkeypatch: pytest.MonkeyPatch, database: FakeDatabase) -> None:
    found = plan(monkeypatch, Tool(told(NEWER), told_sql("", "gaierror: no such host")), database)
    assert (found.heads, [one.sql for one in found.pending]) == (["0003"], [None])
    assert found.unknown.startswith("the SQL of 0003: asked in a container without network")
    assert "gaierror" in found.unknown


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"program": Finished(1, "", "ImportError: app")}, "ImportError: app"),
        ({"program": Finished(0, "", "")}, "exit code 0"),
        ({"program": Finished(1, '{"history": 7}\nnoise\n', "")}, "noise"),
        ({"program": Finished(1, "", "ImportError: app"), "history": CommandTimeout("COMMAND_TIMEOUT", "", "")}, "ImportError: app"),
        ({"program": CommandTimeout("COMMAND_TIMEOUT", "", "")}, "did not answer within 60 s"),
    ],
)
def test_an_image_without_a_pending_command_is_migrated_as_a_whole(
    monkeypatch: pytest.MonkeyPatch, database: FakeDatabase, answers: dict[str, Any], words: str
) -> None:
    removed: list[str] = []
    monkeypatch.setattr(docker, "remove", removed.append)
    tool = Tool(**answers)
    found = plan(monkeypatch, tool, database)
    assert (found.heads, found.revision, [one.revision for one in found.pending]) == ([], ["0002"], ["alembic upgrade head"])
    assert words in found.unknown
    assert tool.services == {"plan"}, "nothing was run on a network"
    assert removed == ["shop-r2-plan"] * sum(isinstance(answer, CommandTimeout) for answer in answers.values())


def test_an_image_that_dies_of_its_sql_is_reported(monkeypatch: pytest.MonkeyPatch, database: FakeDatabase) -> None:
    found = plan(monkeypatch, Tool(program=Finished(137, told(NEWER), "Killed")), database)
    assert (found.heads, [one.sql for one in found.pending]) == (["0003"], [None])
    assert "Killed" in found.unknown


def test_answers_before_the_time_limit_count(monkeypatch: pytest.MonkeyPatch, database: FakeDatabase) -> None:
    monkeypatch.setattr(docker, "remove", lambda name: None)
    found = plan(monkeypatch, Tool(program=CommandTimeout("COMMAND_TIMEOUT", "", "", told(NEWER).splitlines())), database)
    assert (found.heads, [one.revision for one in found.pending]) == (["0003"], ["0003"])
    assert "the SQL of 0003" in found.unknown and "did not answer" in found.unknown


def test_without_a_python_that_has_alembic_its_command_lists_them(monkeypatch: pytest.MonkeyPatch, database: FakeDatabase) -> None:
    tool = Tool(program=Finished(127, "", "no python3"), history=Finished(0, f"INFO a logger's line\n{NEWER}", ""))
    found = plan(monkeypatch, tool, database, migrate_command=["/entrypoint.sh", "alembic", "-c", "a.ini", "upgrade", "head"])
    assert [(one.revision, one.sql) for one in found.pending] == [("0003", None)]
    assert "no python3" in found.unknown
    assert (tool.asked, tool.services) == (["python3 program", "alembic -c a.ini history"], {"plan"})


def test_a_database_that_moves_meanwhile_is_noticed(monkeypatch: pytest.MonkeyPatch, database: FakeDatabase) -> None:
    tool = Tool(told(NEWER))
    ask = tool.compose

    def moves(*arguments: Any, **options: Any) -> Finished:
        database.revision = ["0003"]
        return ask(*arguments, **options)

    tool.compose = moves  # type: ignore[method-assign]
    with fails("REVISION_CONFLICT") as caught:
        plan(monkeypatch, tool, database)
    assert "was at 0002 before it was planned and is at 0003 now" in caught.value.what


@pytest.mark.parametrize(
    ("table", "schema", "setting", "revision", "value"),
    [
        ("alembic_version", None, "alembic_version", [], None),
        ("versions", None, "alembic_version", [], "versions"),
        ("Versions", None, "versions", [], '"Versions"'),
        ("versions", "shop", "shop.versions", [], None),
        ("versions", "shop", "versions", ["0002"], None),  # found by the search path
        ("versions", "shop", "versions", [], "shop.versions"),
        ("versions", "shop", "other.versions", ["0002"], "shop.versions"),
        ("versions", None, "shop.versions", ["0002"], None),  # env.py finds it by the search path
        ("versions", None, "alembic_version", ["of another app"], "versions"),
    ],
)
def test_another_version_table_is_named(
    monkeypatch: pytest.MonkeyPatch,
    database: FakeDatabase,
    table: str,
    schema: str | None,
    setting: str,
    revision: list[str],
    value: str | None,
) -> None:
    database.revision = revision
    tool = Tool(told(NEWER), told_sql("", table=table, schema=schema))
    if value is None:
        assert plan(monkeypatch, tool, database, migrate_version_table=setting).pending
        return
    with fails("CONFIG") as caught:
        plan(monkeypatch, tool, database, migrate_version_table=setting)
    assert caught.value.todo == f"set app_release_migrate_version_table: {value}"


def test_from_several_revisions_the_sql_is_unknown(monkeypatch: pytest.MonkeyPatch, database: FakeDatabase) -> None:
    database.revision = ["0003a", "0003b"]
    history = "0003a, 0003b -> 0004 (head) (mergepoint), Merge\n" + TWO.replace(" (head)", "")
    found = plan(monkeypatch, Tool(told(history)), database)
    assert ([one.sql for one in found.pending], found.unknown) == ([None], "")


@pytest.mark.parametrize(
    ("known", "code"),
    [
        ([migration("0003", "0002")], None),
        ([migration("0003", "0002", impact="contract")], "REVISION_CONFLICT"),
        ([migration("0003", "0002", impact="unknown")], "REVISION_CONFLICT"),
        ([], "REVISION_CONFLICT"),
    ],
)
def test_an_earlier_image_fits_where_nothing_was_taken_away(
    monkeypatch: pytest.MonkeyPatch, database: FakeDatabase, known: list[Any], code: str | None
) -> None:
    database.revision = ["0003"]
    tool = Tool(told(FIRST))
    if code is None:
        found = plan(monkeypatch, tool, database, known)
        assert (found.heads, found.revision, found.pending) == (["0002"], ["0003"], [])
        return
    with fails(code) as caught:
        plan(monkeypatch, tool, database, known)
    assert "which is at 0003: the database is at 0003, which the image does not know" in caught.value.what
    assert caught.value.details == [f"{one.revision} ({one.impact}): Do {one.revision}" for one in known]


@pytest.mark.parametrize(("target", "code"), [("head", "REVISION_CONFLICT"), ("heads", None)])
def test_several_heads_are_refused_where_one_is_wanted(
    monkeypatch: pytest.MonkeyPatch, database: FakeDatabase, target: str, code: str | None
) -> None:
    tool = Tool(told(TWO))
    command = ["alembic", "upgrade", target]
    if code is None:
        assert len(plan(monkeypatch, tool, database, migrate_command=command).pending) == 2
        return
    with fails(code) as caught:
        plan(monkeypatch, tool, database, migrate_command=command)
    assert "the image has 2 heads, 0003a, 0003b" in caught.value.what
    assert tool.services == {"plan"}


OTHER = {"migrate_command": ["flyway", "migrate"]}


def test_without_migrations_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    tool = Tool()
    assert plan(monkeypatch, tool, None, migrate=False) == _plan.Plan()
    assert tool.asked == []


@pytest.mark.parametrize(("settings", "code"), [({}, "DB_UNKNOWN"), (OTHER, "DB_UNKNOWN"), ({**OTHER, "migrate_backup": False}, None)])
def test_a_database_of_which_nothing_is_known(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], code: str | None) -> None:
    if code is None:
        assert [one.revision for one in plan(monkeypatch, Tool(), None, **settings).pending] == ["flyway migrate"]
        return
    with fails(code) as caught:
        plan(monkeypatch, Tool(), None, **settings)
    assert "app_database_url" in caught.value.todo


@pytest.mark.parametrize(
    ("settings", "words", "hint"),
    [
        (OTHER, "what `flyway migrate` (app_release_migrate_command) would do", False),
        ({**OTHER, "migrate_pending_command": ["flyway", "pending"]}, "whether `flyway migrate` has anything to do", False),
        ({"migrate_command": ["sh", "prestart.sh"]}, "what `sh prestart.sh`", True),
        ({"migrate_command": ["/srv/prestart.sh"]}, "what `/srv/prestart.sh`", True),
    ],
)
def test_of_another_tool_nothing_is_run_to_find_out(
    monkeypatch: pytest.MonkeyPatch, database: FakeDatabase, settings: dict[str, Any], words: str, hint: bool
) -> None:
    tool = Tool()
    found = plan(monkeypatch, tool, database, **settings)
    assert [one.revision for one in found.pending] == [" ".join(settings["migrate_command"])]
    assert (found.tool, found.heads, found.revision, tool.asked) == ("command", ["schema:abc"], ["schema:abc"], [])
    assert found.unknown.startswith(words)
    assert ("app_release_migrate_after_command" in found.unknown) is hint


def test_a_database_that_does_not_answer_is_reported(monkeypatch: pytest.MonkeyPatch, database: FakeDatabase) -> None:
    database.failing["look"] = ReleaseError("DB_UNREACHABLE", "", "")
    with fails("DB_UNREACHABLE"):
        plan(monkeypatch, Tool(told(FIRST)), database)
