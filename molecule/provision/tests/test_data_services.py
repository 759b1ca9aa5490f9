"""Who may do what in the data services: the app reads and writes, the migrator owns the schema, nobody else gets in."""

import subprocess
from collections.abc import Iterator
from functools import partial

import pytest

from lab import paths
from lab.faults import await_healthy
from lab.story import App

POSTGRES, REDIS = "provision-data-postgres-1", "provision-data-redis-1"
NETWORK = "provision-data"


def password(name: str) -> str:
    return (paths.STATE / f"{name}_password").read_text().strip()


def client(app: App, role: str, whose: str, statement: str) -> subprocess.CompletedProcess[str]:
    """Ask as a container on the data network does, by the password of `whose` name."""
    session = ("--network", NETWORK, "--env", f"PGPASSWORD={password(whose)}", "--entrypoint", "psql", "postgres:17")
    address = ("--host", "postgres", "--username", role, "--dbname", "provision", "--no-password")
    return app.host.run(["docker", "run", "--rm", *session, *address, "--tuples-only", "--no-align", "--command", statement])


as_app = partial(client, role="provision", whose="database")
as_migrator = partial(client, role="provision_migrator", whose="migrator")


def redis(app: App, *words: str, secret: str = "") -> str:
    """Ask Redis, with the app's password unless it is an empty one."""
    return app.on_host("docker", "exec", *(("--env", f"REDISCLI_AUTH={secret}") if secret else ()), REDIS, "redis-cli", *words).strip()


def as_redis_user(app: App, *words: str) -> str:
    """Ask Redis as the app does."""
    return redis(app, *words, secret=password("redis"))


@pytest.fixture(scope="module")
def table(app: App) -> Iterator[str]:
    """A table that the migrator made after provisioning, with a row that the app put in."""
    made = as_migrator(app, statement="CREATE TABLE held (id serial PRIMARY KEY, name text)")
    assert made.returncode == 0, made.stderr
    written = as_app(app, statement="INSERT INTO held (name) VALUES ('kept')")
    assert written.returncode == 0, written.stderr
    yield "held"
    as_migrator(app, statement="DROP TABLE held")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (n int)",
        "CREATE TEMPORARY TABLE mine (n int)",
        "CREATE SCHEMA mine",
        "ALTER TABLE held ADD COLUMN n int",
        "DROP TABLE held",
        "TRUNCATE held",
        "CREATE ROLE another",
        "SET ROLE provision_migrator",
        "SELECT rolpassword FROM pg_authid",
        "COPY held TO PROGRAM 'id'",
    ],
)
def test_the_app_cannot_change_the_schema(app: App, table: str, statement: str) -> None:
    refused = as_app(app, statement=statement)
    assert refused.returncode == 1
    assert "permission denied" in refused.stderr or "must be owner" in refused.stderr, refused.stderr
    assert as_app(app, statement=f"SELECT name FROM {table}").stdout == "kept\n"


@pytest.mark.parametrize(("role", "whose"), [("provision_migrator", "database"), ("postgres", "migrator"), ("postgres", "database")])
def test_no_role_logs_in_with_anothers_password(app: App, role: str, whose: str) -> None:
    refused = client(app, role, whose, "SELECT 1")
    assert refused.returncode == 2
    assert "password authentication failed" in refused.stderr


def test_the_migrators_time_limits_are_recognised_in_the_servers_messages(app: App) -> None:
    names = ("lock_timeout", "statement_timeout", "client_connection_check_interval", "idle_in_transaction_session_timeout")
    asked = as_migrator(app, statement=f"SELECT {', '.join(f"current_setting('{name}')" for name in names)}")
    assert asked.stdout.strip() == "5s|15min|1s|1min"


def test_passwords_are_kept_as_hashes_and_the_superuser_has_none(app: App) -> None:
    query = "SELECT rolname, left(coalesce(rolpassword, 'none'), 14) FROM pg_authid WHERE rolcanlogin ORDER BY 1"
    with_password = ["provision|SCRAM-SHA-256$", "provision_migrator|SCRAM-SHA-256$"]
    assert app.sql(query).splitlines() == ["fairlead_reader|none", "postgres|none", *with_password]


@pytest.mark.parametrize(
    "words",
    ["CONFIG GET *", "CONFIG SET requirepass no", "FLUSHALL", "KEYS *", "MONITOR", "SHUTDOWN NOSAVE", "ACL LIST", "REPLICAOF NO ONE"],
)
def test_the_app_cannot_run_what_is_dangerous(app: App, words: str) -> None:
    assert as_redis_user(app, *words.split()).startswith("NOPERM")


def test_redis_answers_no_client_without_the_password(app: App) -> None:
    assert redis(app, "PING").startswith("NOAUTH")
    assert redis(app, "PING", secret="a guess").splitlines()[-1].startswith("NOAUTH")
    assert as_redis_user(app, "PING") == "PONG"


def test_data_in_redis_outlives_a_restart(app: App) -> None:
    # WAITAOF waits until what its own connection wrote is on the disk; then not even SIGKILL loses it.
    client = ("docker", "exec", "--env", f"REDISCLI_AUTH={password('redis')}", REDIS, "sh", "-c")
    assert app.on_host(*client, "printf 'SET provision:kept yes\\nWAITAOF 1 0 10000\\n' | redis-cli").split() == ["OK", "1", "0"]
    app.on_host("docker", "kill", "--signal", "KILL", REDIS)
    app.on_host("docker", "start", REDIS)
    await_healthy(app, REDIS)
    assert as_redis_user(app, "GET", "provision:kept") == "yes"
    assert as_redis_user(app, "DEL", "provision:kept") == "1"
