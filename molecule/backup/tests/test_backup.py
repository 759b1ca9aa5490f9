"""Backups prove what they hold, are copied off the host, and report what fails."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from lab import paths
from lab.backups import add, await_database, databases, folder, has, manifests, restore, scheduled, set_up, state, unit
from lab.hosts import USER, Host
from lab.story import App, mixed_load_was_served

Fault = Callable[[App], AbstractContextManager[None]]
REPOSITORY = "/var/backups/fairlead-restic"
CANARY = "a-row-that-nobody-else-may-read"


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
