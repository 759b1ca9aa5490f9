"""Backups prove what they hold, and are brought back without a moment with no database; what fails is told, and nothing is half done."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from lab import hostile_database, paths
from lab.hosts import USER, Host
from lab.play import Play
from lab.story import DATA_ONLY, App, mixed_load_was_served

Fault = Callable[[App], AbstractContextManager[None]]
REPOSITORY = "/var/backups/fairlead-restic"
CANARY = "a-row-that-nobody-else-may-read"
READY_SECONDS = 60


def unit(app: App) -> str:
    return f"fairlead-backup-{app.name}.service"


def folder(app: App) -> str:
    return f"/opt/fairlead/{app.name}/backups"


def manifests(app: App) -> list[dict[str, Any]]:
    """What the backups on the host say of themselves, oldest first."""
    names = [name for name in app.on_host("ls", folder(app)).split() if name.endswith(".json") and name[0].isdigit()]
    return [json.loads(app.on_host("cat", f"{folder(app)}/{name}")) for name in names]


def set_up(app: App, **changes: Any) -> None:
    """Change what the timer's program was told, as provisioning with other variables would."""
    file = f"/opt/fairlead/{app.name}/backup.d/settings.json"
    told = {**json.loads(app.on_host("cat", file)), **changes}
    app.on_host("python3", "-c", "import sys; open(sys.argv[1], 'w').write(sys.argv[2])", file, json.dumps(told))


def scheduled(app: App) -> dict[str, Any]:
    """Start the unit as its timer does, and return what it printed."""
    app.host.run(["systemctl", "start", unit(app)])
    line = app.on_host("journalctl", "--unit", unit(app), "--output", "cat", "--lines", "20")
    told: dict[str, Any] = next(json.loads(text) for text in reversed(line.splitlines()) if text.startswith("{"))
    return told


def state(app: App) -> tuple[str, str]:
    """How the unit's last run ended: its state, and the program's exit code."""
    shown = app.on_host("systemctl", "show", "--property=ActiveState,ExecMainStatus", unit(app)).split()
    told = dict(line.split("=") for line in shown)
    return told["ActiveState"], told["ExecMainStatus"]


def databases(app: App) -> list[str]:
    return app.sql("SELECT datname FROM pg_database WHERE datname LIKE 'backup%' ORDER BY 1").split()


def add(app: App, name: str) -> None:
    """Have a row that is only about this."""
    app.sql(f"INSERT INTO items (name, reference) VALUES ('{name}', '{name}')")


def has(app: App, name: str, database: str | None = None) -> bool:
    command = ("psql", "--username", "postgres", "--dbname", database or app.name, "--no-align", "--tuples-only", "--command")
    answer = app.on_host(
        *("docker", "exec", f"{app.name}-data-postgres-1", *command, f"SELECT count(*) FROM items WHERE reference = '{name}'")
    )
    return answer.strip() == "1"


def is_maintained(app: App) -> bool:
    return app.get("/items?limit=1")[0] == 503


def await_database(app: App) -> None:
    """Wait until PostgreSQL answers after a start."""
    deadline = time.monotonic() + READY_SECONDS
    while app.host.run(["docker", "exec", f"{app.name}-data-postgres-1", "pg_isready", "--quiet"]).returncode:
        assert time.monotonic() < deadline, "PostgreSQL does not start"
        time.sleep(0.2)


def restore(app: App, **variables: Any) -> Play:
    return app.play("restore", **{"confirm": app.name, **variables})


@pytest.fixture(scope="module")
def taken(app: App) -> dict[str, Any]:
    """A scheduled backup, made while users write; with a copy off the host."""
    add(app, CANARY)
    app.on_host("find", REPOSITORY, "-mindepth", "1", "-delete")
    set_up(app, restic={"repository": REPOSITORY, "keep": {"last": 3}})
    with app.load(rate=60) as load:
        told = scheduled(app)
        proved = app.play("restore_drill").succeeded()
    mixed_load_was_served(load, at_least=("keepalive", "fresh"))
    assert told["ok"], told
    (manifest,) = manifests(app)
    assert f"backup {told['id']} (scheduled) was restored and compared in" in proved.unfolded
    assert f"{sum(table['rows'] for table in manifest['tables'].values())} rows" in proved.unfolded
    return manifest


def test_a_timer_makes_backups_that_are_proved_under_load(app: App, taken: dict[str, Any]) -> None:
    timer = unit(app).replace("service", "timer")
    assert app.on_host("systemctl", "is-enabled", timer).strip() == "enabled"
    assert app.on_host("systemctl", "is-active", timer).strip() == "active"
    assert state(app) == ("inactive", "0")
    drill = f"fairlead-drill-{app.name}"
    assert app.on_host("systemctl", "is-active", f"{drill}.timer").strip() == "active"
    app.on_host("systemctl", "start", f"{drill}.service")
    assert "the newest proved by a restore drill" in app.play("status").succeeded().unfolded
    assert (taken["kind"], taken["revision"], taken["release"]) == ("scheduled", [app.revision], app.live)
    assert set(taken["tables"]) == {"public.alembic_version", "public.items"} and taken["tables"]["public.items"]["rows"] > 0
    dump = f"{folder(app)}/{taken['id']}.dump"
    assert app.on_host("sha256sum", dump).split()[0] == taken["sha256"]
    modes = app.on_host("stat", "--format", "%a %U", folder(app), dump, dump.replace(".dump", ".json")).splitlines()
    assert modes == ["700 root", "600 root", "600 root"]
    assert databases(app) == ["backup"]


def test_copies_off_the_host_are_encrypted_and_come_back(app: App, taken: dict[str, Any]) -> None:
    for plain in (CANARY, "PGDMP"):
        assert app.host.run(["grep", "--recursive", "--quiet", plain, REPOSITORY]).returncode == 1
    reader = f"docker exec -i {app.name}-data-postgres-1 pg_restore --file=-"
    assert CANARY in app.on_host("sh", "-c", f"{reader} < {folder(app)}/{taken['id']}.dump")
    app.on_host("sh", "-c", f"rm {folder(app)}/{taken['id']}.*")
    # Of another installation of the app, none is taken that was not named.
    set_up(app, installation="staging.lab")
    refused = restore(app).failed_with("BACKUP_UNKNOWN")
    assert (
        f"the installation {app.domain} has copies off this host, the newest is {taken['id']}: -e backup_of={app.domain}"
        in refused.unfolded
    )
    app.play("restore", backup_of=app.domain, into="backup_look").succeeded()
    set_up(app, installation=app.domain)
    assert databases(app) == ["backup", "backup_look"]
    assert has(app, CANARY, "backup_look") and manifests(app) == [taken]
    app.sql("DROP DATABASE backup_look")


def test_copies_go_over_sftp(app: App, taken: dict[str, Any]) -> None:
    other = Host("vps2")
    for file, content, mode in (("id_ed25519", paths.SSH_KEY.read_text(), "600"), ("known_hosts", paths.KNOWN_HOSTS.read_text(), "644")):
        app.on_host("install", "-D", "--mode", mode, "/dev/null", f"/root/.ssh/{file}")
        app.host.run(["tee", f"/root/.ssh/{file}"], stdin=content)
    repository = f"/tmp/restic-{app.name}"
    set_up(app, restic={"repository": f"sftp:{USER}@{other.address}:{repository}", "keep": {"last": 1}})
    try:
        assert scheduled(app)["ok"]
        assert other.run(["ls", f"{repository}/snapshots"]).stdout.split()
    finally:
        set_up(app, restic={"repository": REPOSITORY, "keep": {"last": 3}})
        app.on_host("rm", "-f", "/root/.ssh/id_ed25519", "/root/.ssh/known_hosts")
        other.run(["rm", "-rf", repository])


def test_only_so_many_are_kept(app: App, taken: dict[str, Any]) -> None:
    set_up(app, keep=1, restic=None)
    told = scheduled(app)
    assert taken["id"] in told["removed"]
    assert [manifest["id"] for manifest in manifests(app)] == [told["id"]]


@contextmanager
def stopped_database(app: App) -> Iterator[None]:
    app.on_host("docker", "stop", f"{app.name}-data-postgres-1")
    try:
        yield
    finally:
        app.on_host("docker", "start", f"{app.name}-data-postgres-1")
        await_database(app)
        app.settle()


@contextmanager
def full_disk(app: App) -> Iterator[None]:
    app.on_host("mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", folder(app))
    try:
        yield
    finally:
        app.on_host("umount", folder(app))


@contextmanager
def wrong_password(app: App) -> Iterator[None]:
    file = f"/opt/fairlead/{app.name}/backup.d/restic_password"
    set_up(app, restic={"repository": REPOSITORY, "keep": {}})
    app.on_host("mv", file, f"{file}.aside")
    app.host.run(["tee", file], stdin="another")
    try:
        yield
    finally:
        app.on_host("mv", f"{file}.aside", file)
        set_up(app, restic=None)


@pytest.mark.parametrize(
    ("fault", "code", "says"),
    [
        pytest.param(
            stopped_database,
            "BACKUP_FAILED",
            "backup",
            marks=pytest.mark.fault(
                row=29,
                fault="PostgreSQL is down when a backup is due",
                code="BACKUP_FAILED",
                serves="whatever serves",
                says="when, and why",
            ),
        ),
        pytest.param(
            full_disk,
            "DISK_SPACE",
            "backup",
            marks=pytest.mark.fault(
                row=29,
                fault="the disk is full when a backup is due",
                code="DISK_SPACE",
                serves="the live release",
                says="free and needed",
            ),
        ),
        pytest.param(
            wrong_password,
            "OFFSITE_FAILED",
            "copy off this host",
            marks=pytest.mark.fault(
                row=29,
                fault="a backup cannot be copied off the host",
                code="OFFSITE_FAILED",
                serves="the live release",
                says="restic's words; the backup stays on the host",
            ),
        ),
    ],
)
def test_a_backup_that_fails_is_reported(app: App, fault: Fault, code: str, says: str) -> None:
    before = manifests(app)
    with fault(app):
        told = scheduled(app)
        assert (state(app), told["ok"], [failure["code"] for failure in told["failures"]]) == (("failed", "1"), False, [code])
        status = app.play("status", status_strict=True).failed_with("DRIFT")
        assert f"{says} failed at" in status.unfolded and code in status.unfolded
    assert [manifest for manifest in before if manifest not in manifests(app)] == ([] if code != "OFFSITE_FAILED" else before)
    assert not app.on_host("find", folder(app), "-name", ".*.partial").split()
    assert scheduled(app)["ok"]
    assert state(app) == ("inactive", "0")


@pytest.mark.fault(
    row=125,
    fault="the address of copies off the host has a password in it",
    code="CONFIG",
    serves="the live release",
    says="where it belongs",
)
def test_a_password_in_the_address_of_copies_is_refused(app: App) -> None:
    address = {"db_backup_restic_repository": "rest:https://shop:planted-word@backup.example.com/shop"}
    play = app.play("backup", "--diff", **address).failed_with("CONFIG")
    assert "planted-word" not in play.output and "RESTIC_REST_PASSWORD" in play.unfolded


@pytest.mark.parametrize("variables", [{}, {"confirm": "shop"}])
def test_nothing_is_restored_without_confirmation(app: App, variables: dict[str, str]) -> None:
    before = app.fingerprint()
    app.play("restore", **variables).failed_with("NOT_CONFIRMED")
    assert app.fingerprint() == before and not is_maintained(app)


def test_the_live_database_goes_back_to_a_backup(app: App) -> None:
    add(app, "before")
    assert app.play("backup", "--check").succeeded().changed == 1
    app.play("backup").succeeded()
    add(app, "after")
    # What runs that were killed left: nobody has to remove it.
    app.sql(f"CREATE DATABASE {app.name}_restore_20260101t000000z")
    app.on_host("touch", f"{folder(app)}/20260101T000000Z.dump")
    before, running = app.fingerprint(), app.running()
    app.play("restore", "--check").succeeded()
    assert (app.fingerprint(), app.running()) == (before, running)
    play = restore(app).succeeded()
    again = app.running()
    assert again.keys() == running.keys() and all(again[name] != running[name] for name in again), "no pool is left from before"
    assert has(app, "before") and not has(app, "after")
    _, kept = databases(app)
    assert kept.startswith("backup_before_") and has(app, "after", kept)
    assert "20260101T000000Z.dump" not in app.on_host("ls", folder(app))
    assert f"the database {kept}" in play.unfolded and "Not in it: everything written after" in play.unfolded
    app.settle()
    assert manifests(app)[-1]["kind"] == "restore" and not is_maintained(app)
    # Whoever regrets it goes back to what was replaced.
    restore(app, backup=manifests(app)[-1]["id"]).succeeded()
    assert has(app, "after") and len(databases(app)) == 2
    app.settle()
    app.assert_tidy()


def test_a_backup_that_a_release_cannot_live_with_keeps_users_out(app: App) -> None:
    revision = app.revision
    app.sql("DELETE FROM alembic_version")
    app.play("backup").succeeded()
    app.sql(f"INSERT INTO alembic_version VALUES ('{revision}')")
    play = restore(app).failed_with("NOT_READY")
    assert is_maintained(app)
    assert "the backup is at no revision" in play.unfolded and "-e maintenance=off" in play.unfolded
    replaced = next(manifest["id"] for manifest in reversed(manifests(app)) if manifest["kind"] == "restore")
    restore(app, backup=replaced).succeeded()
    assert not is_maintained(app)
    app.settle()


@pytest.mark.fault(
    row=29,
    fault="a dump was damaged on the disk",
    code="BACKUP_DAMAGED",
    serves="the live release",
    says="which file",
)
def test_a_damaged_backup_is_refused(app: App) -> None:
    app.play("backup").succeeded()
    newest = manifests(app)[-1]["id"]
    app.on_host("dd", "if=/dev/zero", f"of={folder(app)}/{newest}.dump", "bs=1", "count=8", "seek=600", "conv=notrunc")
    before, there = app.fingerprint(), databases(app)
    restore(app).failed_with("BACKUP_DAMAGED")
    restore(app, backup="20200101T000000Z").failed_with("BACKUP_UNKNOWN")
    assert (app.fingerprint(), databases(app)) == (before, there) and not is_maintained(app)
    app.play("restore_drill").failed_with("DRILL_FAILED")
    assert "the last restore drill failed" in app.play("status").succeeded().unfolded
    app.on_host("sh", "-c", f"rm {folder(app)}/{newest}.*")
    app.play("restore_drill").succeeded()
    app.assert_tidy()


@pytest.mark.fault(
    row=120,
    fault="a migration leaves functions, operators, casts, settings and CHECKs that whoever reads or restores the database runs",
    code="–",
    serves="the live release",
    says="what a restore left out",
)
def test_nothing_that_a_migration_left_runs_as_a_superuser(app: App) -> None:
    migrator = f"{app.name}_migrator"
    # The migrator may not make it, so that no restore can.
    app.sql("CREATE EXTENSION pg_stat_statements")
    with hostile_database.planted(app):
        app.play("backup").succeeded()
        app.play("restore_drill").succeeded()
        restore(app).succeeded()
        app.play("provision", *DATA_ONLY).succeeded()
        # The generated column was made by a function that finds what it needs by search_path only.
        assert hostile_database.run_as(app, migrator, "SELECT plain FROM public.traps ORDER BY id") == "cafe\nthe"
    assert hostile_database.roles_that_ran(app) == {migrator, "fairlead_reader"}
    assert app.sql("SELECT rolname FROM pg_roles WHERE rolsuper") == "postgres"
    app.sql("DROP EXTENSION pg_stat_statements")
    app.settle()
    app.assert_tidy()
