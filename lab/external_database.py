"""A PostgreSQL that is nobody's on the lab's hosts: its own machine, TLS by the lab's authority, roles made by who runs it.

`python -m lab.external_database up|down`; the databases in it are as in a managed service, each with a migrator and an app's role.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import quote

from lab import authority, containers, network, paths
from lab.docker import LabError, attempt, docker
from lab.inventory import PASSWORDS
from lab.secret import password
from lab.steps import step

NAME = "fairlead-database"
IMAGE = "postgres:17"
ADDRESS = network.SUBNET[4]
FOLDER = paths.STATE / "external_database"
LIFE = timedelta(days=30)
ANSWER_SECONDS = 60
# The server wants its files to be its own; what is mounted belongs to whoever made it.
_START = """
install -d -o postgres -g postgres -m 700 /run/tls
install -o postgres -g postgres -m 600 /lab/tls.key /lab/tls.crt /lab/password /run/tls/
exec docker-entrypoint.sh postgres -cssl=on -cssl_cert_file=/run/tls/tls.crt -cssl_key_file=/run/tls/tls.key
"""
_MAKE = """
CREATE ROLE "{name}_migrator" LOGIN PASSWORD '{migrator}';
CREATE ROLE "{name}" LOGIN PASSWORD '{user}';
CREATE DATABASE "{name}" OWNER "{name}_migrator";
\\connect "{name}"
ALTER SCHEMA public OWNER TO "{name}_migrator";
GRANT USAGE ON SCHEMA public TO "{name}";
ALTER DEFAULT PRIVILEGES FOR ROLE "{name}_migrator" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "{name}";
ALTER DEFAULT PRIVILEGES FOR ROLE "{name}_migrator" GRANT USAGE, SELECT ON SEQUENCES TO "{name}";
"""


def up() -> None:
    """Have it running, empty."""
    authority.ensure()
    down()
    pair = authority.issue([f"{NAME}.lab"], LIFE, addresses=[ADDRESS])
    paths.write(FOLDER / "tls.key", pair.key, 0o600)
    paths.write(FOLDER / "tls.crt", pair.certificate)
    paths.write(FOLDER / "password", password("external_database_password"), 0o600)
    options = (
        *("--network", network.NAME, "--ip", str(ADDRESS), "--volume", f"{FOLDER}:/lab:ro", "--entrypoint", "sh"),
        *("--env", "POSTGRES_PASSWORD_FILE=/run/tls/password"),
    )
    with step(f"{NAME} ({ADDRESS})"):
        docker("run", "--detach", "--name", NAME, "--label", "fairlead.lab=1", *options, IMAGE, "-ec", _START)
        _wait()


def _wait() -> None:
    deadline = time.monotonic() + ANSWER_SECONDS
    while attempt(["docker", "exec", NAME, "pg_isready", "--quiet", "--host", str(ADDRESS)]).returncode:
        if time.monotonic() > deadline:
            raise LabError(f"{NAME} does not answer after {ANSWER_SECONDS} s:\n{docker('logs', '--tail', '20', NAME)}")
        time.sleep(0.1)


def down() -> None:
    """Take it away with everything in it."""
    containers.remove(NAME)


def make(app: str) -> None:
    """Make a database of this name, and its two roles with the passwords of the lab's vault."""
    passwords = {"migrator": password(PASSWORDS["migrator"]), "user": password(PASSWORDS["database"])}
    _psql("postgres", _MAKE.format(name=app, **passwords))


def url(app: str) -> str:
    """Return the address of an app's database, for the migrator."""
    return f"postgresql://{app}_migrator:{quote(password(PASSWORDS['migrator']), safe='')}@{ADDRESS}:5432/{app}?sslmode=verify-full"


def sql(app: str, statement: str) -> str:
    """Ask an app's database as the superuser, and return the bare answer."""
    return _psql(app, statement)


@contextmanager
def session(app: str, role: str, statement: str) -> Iterator[None]:
    """A role has run a statement in an app's database, and its session stays open."""
    command = ("psql", f"--username={role}", f"--dbname={app}", "--command", statement, "--command", "SELECT pg_sleep(600)")
    docker("exec", "--detach", NAME, *command)
    mine = f"usename = '{role}' AND query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + ANSWER_SECONDS
    while sql(app, f"SELECT count(*) FROM pg_stat_activity WHERE {mine}") == "0":
        if time.monotonic() > deadline:
            raise LabError(f"no session of {role} at {NAME}")
        time.sleep(0.1)
    try:
        yield
    finally:
        sql(app, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}")


def _psql(database: str, script: str) -> str:
    connection = ("--username=postgres", f"--dbname={database}")
    options = ("--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1")
    return docker("exec", "--interactive", NAME, "psql", *connection, *options, stdin=script)


def main(arguments: Sequence[str] | None = None) -> int:
    """Start it anew or take it away."""
    parser = argparse.ArgumentParser(prog="python -m lab.external_database", description="A PostgreSQL apart from the lab's hosts.")
    parser.add_argument("action", choices=["up", "down"])
    try:
        {"up": up, "down": down}[parser.parse_args(arguments).action]()
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
