"""The app's database, here or elsewhere: how it is reached, what its answers mean, and that no secret is on a command line."""

import io
import json
import select
import subprocess
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import CommandTimeout, Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import connection as _connection
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import database as _database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database, State, find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from fakes import FakeEngine, fails, service
from fakes_host import Clock

HERE = Database("shop", "shop", "postgres", "shop_migrator", "shop-data-postgres-1", container="c1")
ELSEWHERE = Database("shop", "shop", "owner", "owner", "db.example.com:5432", image="postgres:17")
Says = Callable[..., list[tuple[list[str], str]]]


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Says:
    """Have the programs of PostgreSQL leave this, one after the other; returns what they were given: words and input."""

    def prepare(*results: Finished | ReleaseError) -> list[tuple[list[str], str]]:
        queue, given = list(results), []

        def run(arguments: list[str], seconds: float, stdin: str = "") -> Finished:
            given.append((arguments, stdin))
            result = queue.pop(0)
            if isinstance(result, ReleaseError):
                raise result
            return result

        monkeypatch.setattr(_connection, "run", run)
        return given

    return prepare


def test_here_it_is_asked_in_its_own_container() -> None:
    assert HERE.command("pg_dump", "--format=custom", purpose="backup", seconds=60) == [
        *("docker", "exec", "--interactive", "--env", "PGUSER=shop_migrator", "--env", "PGAPPNAME=fairlead backup", "c1"),
        *("timeout", "-k", "5", "60", "pg_dump", "--dbname=dbname='shop'", "--format=custom"),
    ], "as the owner of the schema: what is read may run what a migration made"


@pytest.mark.parametrize(("database", "where"), [(None, "postgres"), ("shop", "shop")])
def test_a_superuser_sees_no_names_but_postgresqls_own(database: str | None, where: str) -> None:
    words = HERE.command("psql", database=database, admin=True)
    options = "PGOPTIONS=-c search_path=pg_catalog -c standard_conforming_strings=on"
    assert words[3:7] == ["--env", "PGUSER=postgres", "--env", options]
    assert words[-1] == f"--dbname=dbname='{where}'"


def test_all_rows_are_seen_by_a_role_that_owns_nothing() -> None:
    assert "PGUSER=fairlead_reader" in HERE.command("pg_dump", whole=True)


def test_an_external_database_is_asked_as_the_app_in_any_case() -> None:
    assert ELSEWHERE.command("psql", whole=True) == ELSEWHERE.command("psql")
    assert ELSEWHERE.command("psql", admin=True) == ELSEWHERE.command("psql")


def test_what_is_asked_about_the_server_is_asked_where_the_app_cannot_be(says: Says) -> None:
    given = says(*[Finished(0, "", "")] * 3, Finished(0, "0\n", ""))
    HERE.open_transactions()
    HERE.end_migrations()
    assert not HERE.is_migrating()
    assert {word for words, _ in given for word in words if word.startswith(("PGUSER", "--dbname"))} == {
        "PGUSER=postgres",
        "--dbname=dbname='postgres'",
    }


def test_elsewhere_it_is_asked_from_a_container_that_can_do_nothing_else() -> None:
    words = ELSEWHERE.command("psql", "--quiet", database="scratch")
    image = words.index("postgres:17")
    assert words[image:] == ["postgres:17", "-k", "5", "21600", "psql", "--dbname=dbname='scratch'", "--quiet"]
    assert words[image - 2 : image] == ["--entrypoint", "timeout"]
    options = words[:image]
    assert options[:6] == ["docker", "run", "--rm", "--interactive", "--network", "shop"]
    assert {"--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"} <= set(options)
    assert "type=bind,source=/opt/fairlead/shop/database,target=/run/fairlead,readonly" in options
    assert [word for word in options if word.startswith("PG")] == [
        "PGSERVICEFILE=/run/fairlead/service.conf",
        "PGSERVICE=fairlead",
        "PGAPPNAME=fairlead question",
    ], "address and password are in the file that is mounted"


@pytest.mark.parametrize("name", ["a'b", "back\\slash", "dbname=x host=evil"])
def test_a_name_is_nothing_but_a_name(name: str) -> None:
    (named,) = [word for word in HERE.command("psql", database=name) if word.startswith("--dbname")]
    assert named == "--dbname=dbname='" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


def test_what_reads_a_file_connects_to_nothing() -> None:
    assert HERE.command("pg_restore", "--list")[-2:] == ["pg_restore", "--list"]


def test_rows_are_what_was_answered(says: Says) -> None:
    given = says(Finished(0, 'a,"b, ""c""",\n"two\nlines",,x\n', ""))
    assert HERE.query("SELECT 'secret'", seconds=3, database="scratch") == [["a", 'b, "c"', ""], ["two\nlines", "", "x"]]
    words, stdin = given[0]
    assert (stdin, words[words.index("timeout") + 3]) == ("SELECT 'secret'", "3")
    assert "SELECT" not in str(words), "whoever lists processes sees no SQL"
    assert {"--no-psqlrc", "--set=ON_ERROR_STOP=1"} <= set(words)


@pytest.mark.parametrize(
    ("result", "code", "words"),
    [
        (Finished(1, "", "ERROR:  permission denied for table a"), "DB_QUERY_FAILED", "refused a question about shop"),
        (Finished(3, "", "psql:<stdin>:1: ERROR:  syntax error"), "DB_QUERY_FAILED", "refused"),
        (Finished(2, "", 'FATAL:  password authentication failed for user "a"'), "DB_UNREACHABLE", "password authentication failed"),
        (Finished(124, "", ""), "DB_UNREACHABLE", "exit code 124"),
        (Finished(137, "", ""), "DB_UNREACHABLE", "exit code 137"),
        (Finished(1, "", "Error response from daemon: container c1 is not running"), "DB_UNREACHABLE", "is not running"),
        (Finished(125, "", "docker: no such image"), "DB_UNREACHABLE", "no such image"),
        (CommandTimeout("COMMAND_TIMEOUT", "", ""), "DB_UNREACHABLE", "it did not answer within 10 s"),
    ],
)
def test_a_question_that_fails(says: Says, result: Finished | ReleaseError, code: str, words: str) -> None:
    for database in (HERE, ELSEWHERE):
        says(result)
        with fails(code) as caught:
            database.query("SELECT 1")
        assert words in caught.value.what
        assert database.title in caught.value.what
        if code == "DB_UNREACHABLE":
            assert ("docker logs shop-data-postgres-1" in caught.value.todo) is (database is HERE)
        else:
            assert isinstance(result, Finished)
            assert caught.value.details == [result.err]


UNSTARTED = Finished(126, "OCI runtime exec failed: adding pid 7 to cgroups: invalid argument\n", "")


@pytest.mark.parametrize("failures", [0, 1, 2, 3])
def test_a_program_that_docker_did_not_start_is_started_again(
    says: Says, monkeypatch: pytest.MonkeyPatch, clock: Clock, failures: int
) -> None:
    monkeypatch.setattr(_connection, "time", clock)
    given = says(*[UNSTARTED] * failures, Finished(0, "1\n", ""))
    began = clock.now
    if failures < _connection.START_TRIES:
        assert HERE.query("SELECT 1") == [["1"]]
        assert [stdin for _, stdin in given] == ["SELECT 1"] * (failures + 1)
        assert clock.now - began == failures * _connection.START_PAUSE_SECONDS
        return
    with fails("DB_UNREACHABLE") as caught:
        HERE.query("SELECT 1")
    assert "adding pid 7 to cgroups" in caught.value.what, "Docker says why on standard output"
    assert len(given) == _connection.START_TRIES


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("revision,0002\ntables,3\nsize,8000000\ninvalid,public.a_idx\n", State(("0002",), 3, 8_000_000, ("public.a_idx",))),
        ("revision,a\nrevision,b\ntables,3\nsize,1\n", State(("a", "b"), 3, 1, ())),
        ("tables,0\nsize,1\n", State((), 0, 1, ())),
    ],
)
def test_what_a_database_is_like(says: Says, answer: str, state: State) -> None:
    given = says(Finished(0, answer, ""))
    assert HERE.look("app.versions") == state
    words, script = given[0]
    assert "to_regclass('app.versions')" in script
    assert "PGUSER=shop_migrator" in words
    assert len(given) == 1, "one question for all of it"


def test_the_schemas_checksum_is_of_the_schema_alone(says: Says) -> None:
    dump = "--\n-- Dumped by 17.{0}\n\\restrict {0}\nCREATE TABLE a ({1} int);\n\\unrestrict {0}\n"
    says(*(Finished(0, dump.format(key, column), "") for key, column in ((1, "b"), (2, "b"), (3, "c"))), Finished(1, "", "denied"))
    first, again, other = (HERE.schema_checksum() for _ in range(3))
    assert first == again != other
    with fails("DB_QUERY_FAILED"):
        HERE.schema_checksum()


def test_open_transactions_are_listed_where_the_server_answers(says: Says) -> None:
    says(Finished(0, "pid 7 waits\n", ""), Finished(2, "", "gone"))
    assert (HERE.open_transactions(), HERE.open_transactions()) == (["pid 7 waits"], [])


@pytest.mark.parametrize(("left", "told", "asked"), [(["pid 7", ""], [], 4), (["pid 7"], ["pid 7"], None)])
def test_sessions_of_migrations_are_ended(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, left: list[str], told: list[str], asked: int | None
) -> None:
    monkeypatch.setattr(_database, "time", clock)
    given: list[str] = []

    def run(arguments: list[str], seconds: float, stdin: str = "") -> Finished:
        given.append(stdin)
        return Finished(0, "" if "terminate" in stdin else left.pop(0) if len(left) > 1 else left[0], "")

    monkeypatch.setattr(_connection, "run", run)
    began = clock.now
    assert HERE.end_migrations() == told
    assert all("usename = 'shop_migrator'" in sql and "NOT LIKE 'fairlead %'" in sql for sql in given), "nobody else's are ended"
    if asked:
        assert len(given) == asked
    else:
        assert clock.now - began == pytest.approx(_database.SESSION_SECONDS, abs=0.2)


def test_without_a_migrator_role_sessions_cannot_be_distinguished(says: Says) -> None:
    given = says()
    assert Database("shop", "shop", "postgres", None, "here", container="c1").end_migrations() == []
    assert given == []


class Session:
    """A psql that answers the question for the lock; notes whether it was closed."""

    def __init__(self, answer: bytes) -> None:
        self.stdin = io.BytesIO()
        self.stdout = SimpleNamespace(readline=lambda: answer)
        self.asked = b""

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        assert self.stdin.closed, "its session, and the lock with it, would outlive the block"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"t\n", None),
        (b"f\n", "MIGRATION_BUSY"),
        (b"", "DB_UNREACHABLE"),
        (None, "DB_UNREACHABLE"),
        (b"OCI runtime exec failed\n", "DB_UNREACHABLE"),
    ],
)
def test_only_one_migrates(says: Says, monkeypatch: pytest.MonkeyPatch, answer: bytes | None, code: str | None) -> None:
    session = Session(answer or b"")
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: session)
    monkeypatch.setattr(select, "select", lambda *_: ([session.stdout] if answer is not None else [], [], []))
    says(Finished(0, "pid 9 (shop_migrator) since noon,to end it\n", ""))
    if code is None:
        with HERE.sole_migrator():
            assert not session.stdin.closed
        return
    with fails(code) as caught, HERE.sole_migrator():
        pytest.fail("the lock was not had")
    if code == "MIGRATION_BUSY":
        assert caught.value.details == ["pid 9 (shop_migrator) since noon: to end it"]


def postgres(**labels: str) -> dict[str, Any]:
    """Return what the engine tells of the container that provisioning started."""
    found = service("shop-data", "postgres")
    found["Config"]["Labels"].update(labels)
    found["Config"]["Env"] = ["POSTGRES_DB=shop_db", "POSTGRES_USER=postgres", "PATH=/bin"]
    return found


def test_the_database_that_runs_here(paths: AppPaths, engine: FakeEngine) -> None:
    assert find_database(paths) is None
    engine.projects["shop-data"] = [service("shop-data", "redis")]
    assert find_database(paths) is None
    engine.projects["shop-data"] += [postgres(**{"fairlead.migrator": "m"})]
    found = Database("shop", "shop_db", "postgres", "m", "shop-data-postgres-1", container="container-postgres")
    assert find_database(paths) == found
    engine.projects["shop-data"] = [postgres()]
    with fails("DB_UNREACHABLE") as caught:
        find_database(paths)
    assert "which role owns the schema" in caught.value.what


@pytest.mark.parametrize("apart", [True, False])
def test_an_address_wins(paths: AppPaths, engine: FakeEngine, apart: bool) -> None:
    engine.projects["shop-data"] = [postgres()]
    paths.database.mkdir()
    told = {"image": "postgres:17", "name": "shop", "user": "owner", "host": "db.example.com", "port": 5432, "apart": apart}
    (paths.database / "database.json").write_text(json.dumps(told))
    # Sessions of a role that is the app's as well are not ended with a migration.
    assert find_database(paths) == replace(ELSEWHERE, migrator="owner" if apart else None)
