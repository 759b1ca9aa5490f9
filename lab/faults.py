"""Faults, done to a lab host for real and taken back when their block ends."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from lab.registry import REGISTRY
from lab.story import App

STARTED_SECONDS = 60.0
POLL_SECONDS = 0.1
PAGE = 4096
ENGINE_DISK = "/var/lib/docker"
FILLER = "filler"
# Read by the faketime library in every process that loads it.
CLOCK_FILE = "/etc/faketimerc"
SHIFTED_PYTHON = "/usr/local/bin/python-with-shifted-clock"


@contextmanager
def refusing_registry(app: App) -> Iterator[None]:
    """The registry's port is closed, seen from the app's host."""
    with _firewall(app, "REJECT", "--reject-with", "tcp-reset"):
        yield


@contextmanager
def silent_registry(app: App) -> Iterator[None]:
    """Nothing that the app's host sends to the registry arrives, and nobody says so."""
    with _firewall(app, "DROP"):
        yield


@contextmanager
def _firewall(app: App, *verdict: str) -> Iterator[None]:
    rule = ("OUTPUT", "--destination", str(REGISTRY.address), "--protocol", "tcp", "--dport", str(REGISTRY.port), "--jump", *verdict)
    app.on_host("iptables", "--insert", *rule)
    try:
        yield
    finally:
        app.on_host("iptables", "--delete", *rule)


@contextmanager
def stopped(app: App, service: str) -> Iterator[None]:
    """One of the app's data services, `postgres` or `redis`, is down."""
    container = f"{app.name}-data-{service}-1"
    app.on_host("docker", "stop", "--time", "10", container)
    try:
        yield
    finally:
        app.on_host("docker", "start", container)
        await_healthy(app, container)


def await_healthy(app: App, container: str) -> None:
    """Wait until a container's own check says that it is healthy. Raises AssertionError when it does not."""
    deadline = time.monotonic() + STARTED_SECONDS
    while (state := app.on_host("docker", "inspect", "--format", "{{.State.Health.Status}}", container).strip()) != "healthy":
        assert time.monotonic() < deadline, f"{container} is {state}"
        time.sleep(POLL_SECONDS)


@contextmanager
def read_by_somebody(app: App, table: str) -> Iterator[None]:
    """A transaction that only reads `table` stays open: whoever wants to change the table has to wait for it."""
    hold = f"BEGIN; LOCK TABLE {table} IN ACCESS SHARE MODE; SELECT pg_sleep(600)"
    container = f"{app.name}-data-postgres-1"
    client = ("psql", "--username", "postgres", "--dbname", app.name, "--command", hold)
    app.on_host("docker", "exec", "--detach", container, *client)
    held = f"SELECT pid FROM pg_locks WHERE relation = '{table}'::regclass AND mode = 'AccessShareLock' AND pid <> pg_backend_pid()"
    try:
        deadline = time.monotonic() + STARTED_SECONDS
        while "pg_sleep" not in app.sql(f"SELECT query FROM pg_stat_activity WHERE pid IN ({held})"):
            assert time.monotonic() < deadline, "the reader does not get its lock"
            time.sleep(POLL_SECONDS)
        yield
    finally:
        app.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()")


_FULL_STATE = """
set -eu
mkdir -p /run/state
cp -a "$1/." /run/state
mount -t tmpfs -o size=4m,mode=0700 tmpfs "$1"
cp -a /run/state/. "$1"
dd if=/dev/zero of="$1/$2" bs=4096 2>/dev/null && exit 1
truncate --size="-$3" "$1/$2"
"""
_ROOMY_STATE = """
set -eu
rm -rf "$1/$2" /run/state
cp -a "$1" /run/state
umount "$1"
find "$1" -mindepth 1 -delete
cp -a /run/state/. "$1"
rm -rf /run/state
"""


@contextmanager
def full_state_disk(app: App, free_pages: int) -> Iterator[None]:
    """Fairlead's records of the app lie on a disk with room for this many more blocks of 4 KiB. What was written there stays."""
    home = f"/opt/fairlead/{app.name}"
    app.on_host("sh", "-c", _FULL_STATE, "sh", home, FILLER, str(free_pages * PAGE))
    try:
        yield
    finally:
        app.on_host("sh", "-c", _ROOMY_STATE, "sh", home, FILLER)


@contextmanager
def full_engine_disk(app: App, free_megabytes: int) -> Iterator[None]:
    """The engine's disk has this many megabytes left. For hosts with a disk that may be filled: `lab.hosts.SMALL_DISKS`."""
    file = str(PurePosixPath(ENGINE_DISK, FILLER))
    app.on_host("fallocate", "--length", f"{free_space(app) - free_megabytes}MiB", file)
    try:
        yield
    finally:
        app.on_host("rm", "--force", file)


def free_space(app: App) -> int:
    """Return how many megabytes are free on the engine's disk."""
    return int(app.on_host("df", "--block-size=1MiB", "--output=avail", ENGINE_DISK).split()[-1])


_TAKE_INODES = """
import os, sys
folder, left = sys.argv[1], int(sys.argv[2])
os.mkdir(folder)
for number in range(os.statvfs(folder).f_favail - left):
    os.mknod(f"{folder}/{number}")
"""


@contextmanager
def few_inodes(app: App, free: int) -> Iterator[None]:
    """The engine's disk can take only this many more files. For hosts as in `full_engine_disk`."""
    folder = str(PurePosixPath(ENGINE_DISK, FILLER))
    app.on_host("python3", "-c", _TAKE_INODES, folder, str(free))
    try:
        yield
    finally:
        app.on_host("rm", "--recursive", "--force", folder)


_FILL_WHILE_PULLING = """
import json, os, pathlib, sys, time
journal, disk, file, left = pathlib.Path(sys.argv[1]), *sys.argv[2:4], int(sys.argv[4]) << 20
def run(): return json.loads(journal.read_text())["run"]
old, deadline = run(), time.monotonic() + 120
while run() == old or not any(pathlib.Path(disk, "tmp").glob("GetImageBlob*")):
    assert time.monotonic() < deadline, "nothing is pulled"
    time.sleep(0.001)
handle, taken = os.open(file, os.O_CREAT | os.O_WRONLY), 0
while (free := os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - left) > 0:
    step = min(free, 8 << 20)  # in steps: what is pulled meanwhile must not make this fail
    os.posix_fallocate(handle, taken, step)
    taken += step
"""


@contextmanager
def disk_filling_up(app: App, from_megabytes: int, to_megabytes: int) -> Iterator[None]:
    """The engine's disk has some room left, and loses it once the next deploy has begun to pull. For hosts as in `full_engine_disk`."""
    file = str(PurePosixPath(ENGINE_DISK, f"{FILLER}-more"))
    words = ("python3", "-c", _FILL_WHILE_PULLING, f"/opt/fairlead/{app.name}/journal.json", ENGINE_DISK, file, str(to_megabytes))
    with full_engine_disk(app, from_megabytes):
        app.on_host("systemd-run", "--quiet", "--unit=fill-disk", *words)
        try:
            yield
            outcome = app.on_host("systemctl", "show", "--property=Result,ActiveState", "fill-disk").split()
            assert set(outcome) == {"Result=success", "ActiveState=inactive"}, f"the disk was not filled: {outcome}"
        finally:
            app.host.run(["systemctl", "stop", "fill-disk"])
            app.host.run(["systemctl", "reset-failed", "fill-disk"])
            app.on_host("rm", "--force", file)


_PYTHON = f"""#!/bin/sh
# The clock's file is read anew at every question, so that the clock can be moved while a process runs.
export LD_PRELOAD=/usr/lib/$(uname -m)-linux-gnu/faketime/libfaketime.so.1 FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
export FAKETIME_TIMESTAMP_FILE={CLOCK_FILE} NO_FAKE_STAT=1
exec /usr/bin/python3 "$@"
"""


def set_clock(app: App, offset: str) -> None:
    """Move the clock that `SHIFTED_PYTHON` sees by an offset such as `+1d`.

    Containers share the clock of the machine they are on, so a lab host's own cannot be moved.
    """
    for file, content, mode in ((CLOCK_FILE, offset, "644"), (SHIFTED_PYTHON, _PYTHON, "755")):
        app.on_host("sh", "-c", 'printf %s "$1" >"$2" && chmod "$3" "$2"', "sh", content, file, mode)


def kill_process(app: App) -> None:
    """Kill the main process of the app's live release with SIGKILL, past the engine."""
    (container,) = (c for c in app.containers() if c["State"]["Running"])
    app.on_host("kill", "-KILL", str(container["State"]["Pid"]))


def damage(app: App, file: str, content: str | None) -> None:
    """Replace one of Fairlead's files on the host, or remove it (`None`)."""
    if content is None:
        app.on_host("rm", file)
    else:
        app.on_host("sh", "-c", 'printf %s "$1" >"$2"', "sh", content, file)


def newer(record: str) -> str:
    """Return a record as a later version of the collection would write it."""
    return json.dumps({**json.loads(record), "schema": 99})
