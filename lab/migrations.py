"""What stands in the way of migrations, and what they leave in the database and on the host."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import MIGRATION_LOCK

from lab import faults
from lab.story import App

LOCK_SECONDS = 2.0
# What the release `contract` takes away.
BLOCKED = "ALTER TABLE items DROP COLUMN note"


@contextmanager
def a_reader(app: App) -> Iterator[None]:
    """Somebody reads items for hours; the migrator's role is told to give up early."""
    role = f'ALTER ROLE "{app.name}_migrator" SET lock_timeout'
    app.sql(f"{role} = '{LOCK_SECONDS:g}s'")
    try:
        with faults.read_by_somebody(app, "items"):
            yield
    finally:
        app.sql(f"{role} = '5s'")


@contextmanager
def another_runner(app: App) -> Iterator[None]:
    """A deploy from somewhere else migrates the same database."""
    with lock_held(app, "postgres", "postgres"):
        yield


@contextmanager
def a_lock_of_the_app(app: App) -> Iterator[None]:
    """The app's own role holds a lock of the same number, in the only database where it can."""
    with lock_held(app, app.name, app.name):
        yield


@contextmanager
def lock_held(app: App, role: str, database: str) -> Iterator[None]:
    """A session holds a lock with the number of the one for migrations."""
    container = f"{app.name}-data-postgres-1"
    hold = f"SELECT pg_advisory_lock({MIGRATION_LOCK}); SELECT pg_sleep(600)"
    app.on_host("docker", "exec", "--detach", container, "psql", "--username", role, "--dbname", database, "--command", hold)
    mine = "query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + 20
    while (
        app.sql(f"SELECT count(*) FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory' AND granted AND {mine}")
        == "0"
    ):
        assert time.monotonic() < deadline, "nobody holds the lock"
        time.sleep(faults.POLL_SECONDS)
    try:
        yield
    finally:
        app.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}")


@contextmanager
def read_only_backups(app: App) -> Iterator[None]:
    """What the backups belong on can be read only, as a disk with errors."""
    place = f"/opt/fairlead/{app.name}/backups"
    app.on_host("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", place)
    try:
        yield
    finally:
        app.on_host("umount", place)


def columns(app: App) -> str:
    """Every column of the app's schema, so that half a migration would show."""
    fields = "table_name, column_name, data_type"
    return app.sql(f"SELECT {fields} FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2")


def sessions_of_migrations(app: App) -> str:
    """How many sessions the migrator's role has."""
    return app.sql(f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{app.name}_migrator'")


def backups(app: App) -> set[str]:
    """The manifests of all backups."""
    return set(app.on_host("find", f"/opt/fairlead/{app.name}/backups", "-name", "[0-9]*.json").split())


def revision_of(app: App, manifest: str) -> list[str]:
    """The revision of the database that a backup is of."""
    revision: list[str] = json.loads(app.on_host("cat", manifest))["revision"]
    return revision
