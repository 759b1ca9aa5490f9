"""What is to be migrated, and how far a database is from a release: each decision as a table."""

import json
from dataclasses import replace

import fakes_database
import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations import distance
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations import schema as schema
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import Finding
from fakes_database import migration
from fakes_host import settings_with

LINE = "0002 -> 0003 (head), Add a color\n0001 -> 0002, Add notes\n<base> -> 0001, Begin\n"
TWO = "0002 -> 0003b (head), B\n0002 -> 0003a (head), A\n<base> -> 0002 (branchpoint), Begin\n"
MERGED = "a, b -> m (head) (mergepoint), Merge\nbase1 -> b, B\nbase1 -> a (side), A\n<base> -> base1 (branchpoint), Begin\n"
# Two lines of their own, of which one needs a migration of the other.
DEPENDS = "b1 (a1) -> b2 (head), Needs a1\n<base> -> b1, B\n<base> -> a1 (effective head), A\n"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["alembic", "upgrade", "head"], ["alembic"]),
        (["alembic", "-c", "db/alembic.ini", "upgrade", "heads"], ["alembic", "-c", "db/alembic.ini"]),
        (["/opt/venv/bin/alembic", "upgrade", "head"], ["/opt/venv/bin/alembic"]),
        (["python", "-m", "alembic", "upgrade", "head"], ["python", "-m", "alembic"]),
        (["/entrypoint.sh", "alembic", "upgrade", "head"], ["/entrypoint.sh", "alembic"]),
        (["alembic", "upgrade", "0002"], []),  # not what the image needs
        (["alembic", "upgrade", "head", "--sql"], []),
        (["sh", "-c", "alembic upgrade head"], []),
        (["flyway", "upgrade", "head"], []),
        (["upgrade", "head"], []),
        ([], []),
    ],
)
def test_only_an_upgrade_by_alembic_can_be_planned(command: list[str], words: list[str]) -> None:
    assert schema.alembic_words(command) == words
    tool = schema.tool_of(settings_with(migrate_command=command))
    assert tool == (schema.ALEMBIC if words else schema.COMMAND)
    assert schema.tool_of(settings_with(migrate=False, migrate_command=command)) == schema.NONE


@pytest.mark.parametrize(
    ("words", "python", "tool", "options"),
    [
        (["alembic"], ["python3"], "alembic", []),
        (["/opt/venv/bin/alembic", "-c", "a.ini", "-x", "b=c"], ["python3"], "/opt/venv/bin/alembic", ["-c", "a.ini", "-x", "b=c"]),
        (["python", "-m", "alembic", "-n", "other"], ["python"], "", ["-n", "other"]),
        (["/opt/venv/bin/python3.12", "-X", "dev", "-m", "alembic"], ["/opt/venv/bin/python3.12", "-X", "dev"], "", []),
        (["uv", "run", "alembic"], ["uv", "run", "python3"], "alembic", []),
        (["poetry", "run", "python", "-m", "alembic"], ["poetry", "run", "python"], "", []),
        (["env", "A=1", "alembic"], ["env", "A=1", "python3"], "alembic", []),
        (["/entrypoint.sh", "alembic"], ["python3"], "alembic", []),  # what waits for a database is left out
        (["tini", "--", "python", "-m", "alembic"], ["python"], "", []),
    ],
)
def test_how_the_python_that_has_alembic_is_called(words: list[str], python: list[str], tool: str, options: list[str]) -> None:
    assert schema.python_words(schema.direct_words(words)) == (python, tool, options)


@pytest.mark.parametrize(
    "told", [None, 7, "0001", [7], [{}], [{"revision": "1", "down": None, "title": ""}], [{"revision": "1", "down": ["0"]}]]
)
def test_what_is_no_history_is_none(told: object) -> None:
    assert schema.told_history(told) is None


@pytest.mark.parametrize("output", [LINE, TWO, MERGED, DEPENDS, ""])
def test_both_forms_of_a_history_read_the_same(output: str) -> None:
    listed = json.loads(fakes_database.told(output))["history"]
    assert schema.told_history(listed) == schema.history_of(output)


@pytest.mark.parametrize(
    ("output", "heads", "parents"),
    [
        (LINE, ("0003",), {"0001": (), "0002": ("0001",), "0003": ("0002",)}),
        (TWO, ("0003a", "0003b"), {"0002": (), "0003a": ("0002",), "0003b": ("0002",)}),
        (MERGED, ("m",), {"base1": (), "a": ("base1",), "b": ("base1",), "m": ("a", "b")}),
        (DEPENDS, ("b2",), {"a1": (), "b1": (), "b2": ("b1", "a1")}),
        ("INFO  a line of the app's own\n<base> -> 0001 (head),\n", ("0001",), {"0001": ()}),
        ("", (), {}),
    ],
)
def test_a_history_is_read(output: str, heads: tuple[str, ...], parents: dict[str, tuple[str, ...]]) -> None:
    history = schema.history_of(output)
    assert (history.heads, history.parents) == (heads, parents)
    assert list(history.parents) == list(parents), "oldest first"


def test_the_title_of_a_migration_is_kept() -> None:
    assert schema.history_of("<base> -> 1 (head), Rename a -> b (head), soon\n").titles == {"1": "Rename a -> b (head), soon"}


@pytest.mark.parametrize(
    ("output", "current", "pending"),
    [
        (LINE, [], ["0001", "0002", "0003"]),
        (LINE, ["0002"], ["0003"]),
        (LINE, ["0003"], []),
        (TWO, ["0003a"], ["0003b"]),
        (MERGED, ["a"], ["b", "m"]),
        (MERGED, ["a", "b"], ["m"]),
        (MERGED, ["m"], []),
        (DEPENDS, ["b2"], []),
        (DEPENDS, ["b1"], ["a1", "b2"]),
    ],
)
def test_what_a_database_lacks_comes_in_its_order(output: str, current: list[str], pending: list[str]) -> None:
    found = schema.history_of(output).pending(current)
    assert [one.revision for one in found] == pending


@pytest.mark.parametrize(
    ("output", "current", "target", "words"),
    [
        (LINE, [], "head", None),
        (LINE, ["0002"], "head", None),
        (TWO, ["0002"], "heads", None),
        (TWO, ["0002"], "head", "the image has 2 heads, 0003a, 0003b"),
        (LINE, ["0004"], "head", "the database is at 0004, which the image does not know; its head is 0003"),
        (MERGED, ["a", "c"], "head", "the database is at c,"),
        ("", ["0001"], "head", "its head is none"),
    ],
)
def test_an_image_and_a_database_that_do_not_fit(output: str, current: list[str], target: str, words: str | None) -> None:
    problem = schema.history_of(output).conflict(current, target)
    assert words in problem if words and problem else problem is words


FIRST = "BEGIN;\n\n-- Running upgrade 0001 -> 0002\n\nALTER TABLE a ADD b int;\nUPDATE v SET n='0002';\n\n"
SECOND = "-- Running upgrade 0002 -> 0003\n\nDROP TABLE c;\n\n"
SQL_FIRST, SQL_SECOND = "ALTER TABLE a ADD b int;\nUPDATE v SET n='0002';", "DROP TABLE c;"


@pytest.mark.parametrize(
    ("output", "whole", "found", "failed"),
    [
        (FIRST + SECOND, True, {"0002": SQL_FIRST, "0003": SQL_SECOND}, None),
        (FIRST + SECOND, False, {"0002": SQL_FIRST}, "0003"),  # as far as it came
        (FIRST, False, {}, "0002"),
        ("Traceback", False, {}, None),  # the tool itself
        ("", True, {}, None),
        ("-- Running upgrade  -> 0001\n\nCREATE TABLE a();\n", True, {"0001": "CREATE TABLE a();"}, None),
        ("-- Running upgrade a, b -> m\n\n", True, {"m": ""}, None),
        (FIRST + "-- Running upgrade 0002 -> 0003\n" + "x" * (schema.LONGEST_SQL + 1), True, {"0002": SQL_FIRST}, None),
    ],
)
def test_each_migration_has_its_sql(output: str, whole: bool, found: dict[str, str], failed: str | None) -> None:
    assert schema.sql_by_revision(output, whole) == (found, failed)


KNOWN = {
    one.revision: one
    for one in (
        migration("0002", "0001"),
        migration("0003", "0002"),
        migration("0004", "0003", impact="contract"),
        migration("0005", "0004", impact="unknown"),
        migration("a", "0002"),
        migration("b", "0002"),
        migration("m", "a", "b"),
        migration("p", "0001", impact="contract"),
        migration("q", "p"),
        migration("r", "p"),
        migration("s", "q", "r"),
    )
}


@pytest.mark.parametrize(
    ("heads", "revision", "crossed", "problem", "harmless"),
    [
        (["0003"], ["0003"], [], "", True),
        (["0002"], ["0003"], ["0003"], "", True),
        (["0002"], ["0004"], ["0004", "0003"], "", False),
        (["0004"], ["0005"], ["0005"], "", False),
        (["0004"], ["0003"], [], "the database is at 0003, which does not include 0004", False),  # behind
        (["0003"], [], [], "the database is at no revision, which does not include 0003", False),
        (["0002"], ["strange"], [], "how the database came to strange is not on record", False),
        (["0001"], ["m"], ["m", "a", "b", "0002"], "", True),
        (["a", "b"], ["m"], ["m"], "", True),
        (["a"], ["m"], ["m", "b"], "", True),
        (["a", "b"], ["a"], [], "which does not include b", False),
        (["q"], ["s"], ["s", "r"], "", True),  # what both build on was there before, whatever it took away
        ([], [], [], "", True),
    ],
)
def test_how_far_a_database_is_ahead(heads: list[str], revision: list[str], crossed: list[str], problem: str, harmless: bool) -> None:
    found = distance.distance(KNOWN, heads, revision)
    assert ([one.revision for one in found.crossed], found.harmless) == (crossed, harmless)
    assert problem in found.problem
    assert bool(found.problem) is bool(problem)


def test_only_harmful_migrations_are_listed() -> None:
    gone = Finding(1, "DROP TABLE a", "drop", "takes it away", "destructive")
    slow, whole = replace(gone, kind="lock", message="is slow"), replace(gone, kind="unknown", statement="", message="has no SQL")
    untitled = replace(migration("0005", impact="unknown", findings=[whole]), title="")
    migrations = [migration("0003", findings=[slow]), migration("0004", impact="contract", findings=[slow, gone]), untitled]
    assert distance.gate_lines(migrations) == [
        "0004 (contract): Do 0004",
        "  DROP TABLE a: takes it away",
        "0005 (unknown): no title",
        "  has no SQL",
    ]
