"""Do the images keep the contracts that roles rely on? Tried on the images themselves, official or stand-in."""

import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from lab import containers, images, paths
from lab.docker import LABEL, LabError, attempt, docker
from lab.steps import step

ANSWER_SECONDS = 30
# How the roles run services: no root, no capability, nothing writable but what is mounted.
TIGHT = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp")


@contextmanager
def running(image: str, options: tuple[str, ...], *command: str) -> Iterator[str]:
    """Run a container for the body's time and hand out its name; its last lines go into a LabError of the body."""
    name = f"fairlead-check-{secrets.token_hex(4)}"
    docker("run", "--detach", "--name", name, "--label", f"{LABEL}=1", *options, image, *command)
    try:
        yield name
    except LabError as error:
        raise LabError(f"{error}\n{docker('logs', '--tail', '20', name)}") from error
    finally:
        containers.remove(name)


def expect(container: str, wanted: str, *command: str) -> None:
    """Wait until a command in the container prints `wanted`.

    Raises:
        LabError: it did not within `ANSWER_SECONDS`.
    """
    deadline = time.monotonic() + ANSWER_SECONDS
    while wanted not in (done := attempt(["docker", "exec", container, *command])).stdout:
        if time.monotonic() > deadline:
            raise LabError(f"{' '.join(command)} printed {done.stdout + done.stderr!r}, not {wanted!r}")
        time.sleep(0.1)


def check_postgres(image: str, user: int = 999) -> None:
    """User, database and password from variables and file; init scripts; password needed over TCP."""
    with tempfile.TemporaryDirectory() as folder:
        paths.write(Path(folder) / "password", "lab-check", 0o644)
        paths.write(Path(folder) / "init.sql", "CREATE TABLE made_by_init (n int);")
        Path(folder).chmod(0o755)
        options = (
            *(f"--tmpfs=/run/postgresql:uid={user},gid={user}", f"--volume={folder}/password:/run/secrets/password:ro"),
            *(f"--volume={folder}/init.sql:/docker-entrypoint-initdb.d/init.sql:ro", "--env=POSTGRES_USER=shop"),
            *("--env=POSTGRES_DB=goods", "--env=POSTGRES_PASSWORD_FILE=/run/secrets/password"),
        )
        for way in ((f"--user={user}:{user}", *TIGHT), ()):
            with running(image, (*way, *options), "postgres", "-c", "max_connections=17") as name:
                expect(name, "accepting", "pg_isready", "--host=127.0.0.1", "--username=shop", "--dbname=goods")
                query = "SELECT count(*) || current_setting('max_connections') FROM made_by_init"
                sql = ("psql", "--no-psqlrc", "--tuples-only", "--username=shop", "--dbname=goods")
                expect(name, "017", *sql, f"--command={query}")
                expect(name, "no password supplied", "sh", "-c", f"{' '.join(sql)} -w -h $(hostname -i) 2>&1")
                expect(name, "dump complete", "pg_dump", "--username=shop", "goods")


def check_redis() -> None:
    """Flags alone mean the server; root steps down to user redis."""
    for way in (("--user=999:999", *TIGHT, "--tmpfs=/data:uid=999,gid=999"), ()):
        with running("redis:8", way, "--maxmemory", "17mb") as name:
            expect(name, "PONG", "redis-cli", "ping")
            expect(name, str(17 * 2**20), "redis-cli", "config", "get", "maxmemory")
            expect(name, "Uid:\t999", "cat", "/proc/1/status")


def check_caddy() -> None:
    """The default file is served; an unprivileged user with that one capability may bind port 80."""
    tight = ("--cap-drop=ALL", "--cap-add=NET_BIND_SERVICE", "--user=999:999", "--tmpfs=/config:uid=999", "--read-only")
    for way in ((*tight, "--tmpfs=/data:uid=999"), ()):
        with running("caddy:2.11", way) as name:
            expect(name, "2.11", "caddy", "version")
            expect(name, ":0050 ", "cat", "/proc/net/tcp6")


def check_python() -> None:
    """Python 3.12 (3.13 where no 3.12 can be had) with pip, TLS, SQLite and venv."""
    program = "import sys, ssl, sqlite3, ctypes, lzma, bz2, zlib, uuid, readline; print(sys.version_info >= (3, 12))"
    with running("python:3.12-slim", ("--init",), "sleep", "60") as name:
        expect(name, "True", "python", "-c", program)
        expect(name, "pip ", "pip", "--version")
        expect(name, "pip ", "sh", "-c", "python -m venv /tmp/venv && /tmp/venv/bin/pip --version")


def check_all() -> None:
    """Check every image that has an official counterpart.

    Raises:
        LabError: one does not keep its contract.
    """
    checks: dict[str, Callable[[], None]] = {
        images.PYTHON: check_python,
        "postgres:17": partial(check_postgres, "postgres:17"),
        "postgres:15": partial(check_postgres, "postgres:15"),
        "postgres:17-alpine": partial(check_postgres, "postgres:17-alpine", user=70),
        "pgvector/pgvector:pg17": partial(check_postgres, "pgvector/pgvector:pg17"),
        "redis:8": check_redis,
        "caddy:2.11": check_caddy,
    }
    for name, check in checks.items():
        with step(f"contract of {name}"):
            check()
