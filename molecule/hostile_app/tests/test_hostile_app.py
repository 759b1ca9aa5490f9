"""A compromised app stays in its container. What it tries from there fails, and its neighbour's users notice nothing."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from lab.in_container import program
from lab.probe import RunningProbe
from lab.removal import remove
from lab.story import App

# An app without data services: all that it shares with the other one is the host, the engine and the proxy.
NO_DATA: dict[str, Any] = {
    **{"app_env": {}, "app_secrets": {}, "app_release_migrate_env": {}, "app_release_migrate_secrets": {}},
    **{"data_services_postgres": False, "data_services_redis": False, "app_release_migrate": False, "app_release_docs_path": ""},
}
RATE = 20
MEGABYTE = 1024 * 1024
LOG_BYTES = 5 * 10 * MEGABYTE  # max-file times max-size, as the release's Compose file has them
# The longest that an attack goes on; it ends with its block.
ATTACK_SECONDS = 120
METADATA = "169.254.169.254"
# Not port 80, which the proxy has on all of the host's addresses.
PORT = 8169
LISTENER = f"import socket; s = socket.create_server(('{METADATA}', {PORT})); [s.accept()[0].close() for _ in iter(int, 1)]"


@pytest.fixture(scope="module")
def bystander() -> Iterator[App]:
    """The neighbour."""
    other = App("bystander", variables=NO_DATA)
    other.play("site", image_tag="plain").succeeded()
    yield other
    remove(other)


@pytest.fixture(scope="module", autouse=True)
def neighbours_users(bystander: App) -> Iterator[RunningProbe]:
    """Users of the neighbour, for as long as the attacks last: not one of their requests fails."""
    with bystander.load(RATE, profile="foreign", paths=["/health", "/who/"]) as load:
        yield load
    print(f"the neighbour's users: {load.report.failed} of {load.report.requests} requests failed")
    assert load.report.failed == 0, load.report.failures
    assert load.report.requests > 100


def attack(app: App, name: str, *arguments: str) -> Any:
    """Run an attack in the live release's container, as its user, and return what became of it."""
    command = ["docker", "exec", "--interactive", f"{app.name}-{app.live}-api-1", "python3", "-", name, *arguments]
    done = app.host.run(command, stdin=program("attacks"))
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def under_attack(app: App, marker: str, name: str, *arguments: str) -> Iterator[None]:
    """Keep an attack going during the block; it is in place once the command `marker` succeeds on the host."""
    with ThreadPoolExecutor(1) as pool:
        going_on = pool.submit(attack, app, name, str(ATTACK_SECONDS), *arguments)
        while app.host.run(["sh", "-c", marker]).returncode:
            assert not going_on.done(), going_on.result()
            time.sleep(0.2)
        yield
        assert not going_on.done(), "the attack was over before what was tried under it"
        app.on_host("pkill", "-INT", "-f", f"^python3 - {name} ")
        going_on.result()


def sessions(app: App) -> str:
    """Return a command that tells whether the app's role has more sessions than a well-behaved release."""
    question = f"SELECT 1 / (count(*) > 40)::int FROM pg_stat_activity WHERE usename = '{app.name}'"
    return f'docker exec {app.name}-data-postgres-1 psql --username postgres --quiet --command "{question}"'


@pytest.mark.fault(
    row=160,
    fault="app puts a FIFO, or a link to a neighbour's socket, in the place of its own",
    code="–",
    serves="nobody of that app",
    says="status: not a socket",
)
@pytest.mark.parametrize("how", ["fifo", "link"])
def test_what_is_no_socket_leads_nowhere(app: App, bystander: App, how: str) -> None:
    target = [f"/var/lib/fairlead/{bystander.name}/{bystander.live}/api.sock"] if how == "link" else []
    socket = f"/var/lib/fairlead/{app.name}/{app.live}/api.sock"
    with under_attack(app, f"test ! -S {socket} || test -L {socket}", "replaced", how, *target):
        # More at once than the proxy has connections, which go on to the app itself (204); the neighbour would answer with 404.
        with ThreadPoolExecutor(40) as users:
            statuses = set(users.map(lambda _: app.get("/items/wait?reference=nobody&seconds=3")[0], range(40)))
        assert 502 in statuses and statuses <= {204, 502}
        # Root does not wait for what the app has put there either: the attack goes on when the answer is there.
        assert "is not a socket" in app.play("status").succeeded().unfolded
    app.settle()


def test_no_device_can_be_made(app: App) -> None:
    assert attack(app, "replaced", "0", "device") == {"error": "EPERM"}


@pytest.mark.fault(row=161, fault="app fills what it can write to", code="–", serves="both apps", says="–")
def test_no_disk_of_the_host_can_be_filled(app: App) -> None:
    filled = attack(app, "files")
    assert filled["bytes"] <= MEGABYTE and filled["files"] < 64
    mounted = app.on_host("findmnt", "--noheadings", "--output", "FSTYPE,OPTIONS", f"/var/lib/fairlead/{app.name}/{app.live}")
    assert "tmpfs" in mounted and "nosymfollow" in mounted and "noexec" in mounted


@pytest.mark.fault(row=162, fault="app floods its log", code="–", serves="both apps", says="–")
def test_a_flood_of_output_is_bounded(app: App) -> None:
    assert attack(app, "output") > LOG_BYTES
    identifier = next(c["Id"] for c in app.containers() if c["State"]["Running"])
    logs = app.on_host("sh", "-c", f"cat $(docker info --format '{{{{.DockerRootDir}}}}')/containers/{identifier}/*-json.log* | wc -c")
    assert int(logs) <= LOG_BYTES * 1.01


def test_processes_are_bounded(app: App) -> None:
    started = attack(app, "forks")
    assert started["error"] == "EAGAIN" and started["processes"] < 256


@pytest.fixture
def metadata(app: App) -> Iterator[None]:
    """A metadata server as clouds have one, on the host itself: nothing leaves it."""
    app.on_host("ip", "address", "replace", f"{METADATA}/32", "dev", "lo")
    app.on_host("systemd-run", "--unit=metadata", "--collect", "python3", "-c", LISTENER)
    yield
    app.on_host("systemctl", "stop", "metadata")
    app.on_host("ip", "address", "del", f"{METADATA}/32", "dev", "lo")


@pytest.mark.fault(
    row=163, fault="app looks for the host: namespaces, engine, other apps' sockets, metadata", code="–", serves="both apps", says="–"
)
def test_nothing_of_the_host_is_within_reach(app: App, metadata: None) -> None:
    assert set(attack(app, "escape").values()) == {"refused"}
    assert attack(app, "sockets") == []
    places = [f"{METADATA}:{PORT}", "gateway:2019", "gateway:2375", "gateway:2376"]
    found = attack(app, "connect", *places)
    assert [place for place, how in found.items() if how == "connected"] == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TEMPORARY TABLE flood (a int)",
        "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql RETURN 1",
        "UPDATE alembic_version SET version_num = version_num",
        "TRUNCATE items",
        "DROP TABLE items",
        'SET ROLE "story_migrator"',
        "COPY items TO PROGRAM 'id'",
        "SELECT pg_read_file('/etc/passwd')",
        'ALTER ROLE "story" CONNECTION LIMIT -1',
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    ],
)
def test_the_apps_role_is_refused(app: App, statement: str) -> None:
    assert attack(app, "statements", statement)[statement] == "InsufficientPrivilegeError"


@pytest.mark.fault(row=164, fault="app takes all connections to its database", code="–", serves="the old release", says="–")
def test_backups_and_plans_go_on_when_the_app_takes_all_connections(app: App) -> None:
    with under_attack(app, sessions(app), "connections"):
        app.play("backup").succeeded()
        assert "0003" in app.deploy("expand", "--check", "--diff").succeeded().unfolded
    app.settle()
    app.assert_tidy()


@pytest.mark.fault(row=165, fault="a release answers /ready one byte at a time", code="NOT_READY", serves="the old release", says="–")
def test_an_endless_answer_holds_no_deploy(app: App) -> None:
    live, began = app.live, time.monotonic()
    app.deploy("dripping", app_release_ready_seconds=6).failed_with("NOT_READY")
    assert time.monotonic() - began < 60
    assert app.live == live
    app.assert_tidy()
