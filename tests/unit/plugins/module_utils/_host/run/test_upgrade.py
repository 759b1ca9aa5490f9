"""An upgrade that fails, wherever, leaves the old server open on its volume; one that succeeds leaves it closed."""

import os
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import restore
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest, Table
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.steps import Steps
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import dump, volume
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database, State
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.roles import Role, Wanted
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.versions import Image, Volume
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import upgrade, upgrade_server
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.upgrade_server import Move
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

OLD, NEW = "shop-data_postgres-15", "shop-data_postgres-17"
WANTED = Wanted(Role("shop_migrator", "m"), Role("shop", "u"), {})
MANIFEST = Manifest("20260131T020000Z", tables={"public.items": Table(3, "1")})
VISITORS = [[""], ["shop"], ['re"ports']]
NAMES = 'PUBLIC, "shop", "re""ports"'


class Server:
    """The engine and the servers, as far as an upgrade sees them; `fails` names the step that does."""

    def __init__(self, fails: str) -> None:
        self.fails = fails
        self.volumes = [OLD]
        self.said: list[str] = []
        self.running: list[str] = []
        self.composed = 0

    def step(self, name: str) -> None:
        if name == self.fails:
            raise ReleaseError("RESTORE_FAILED", name, "")

    def query(self, asked: Database, sql: str, *_: object, admin: bool, **__: object) -> list[list[str]]:
        assert admin
        self.said += [sql.splitlines()[0]] if "CONNECT ON DATABASE" in sql else []
        return VISITORS if "SELECT DISTINCT" in sql else []

    def create(self, app: str, name: str) -> None:
        self.volumes.append(name)

    def start(self, move: Move, old: Database) -> Database:
        self.step("start")
        self.running.append(move.container)
        return Database(old.app, old.name, old.user, old.migrator, move.container, container=move.container)


@pytest.fixture
def move(paths: AppPaths) -> Move:
    (paths.home / "data" / "secrets").mkdir(parents=True)
    (paths.home / "data" / "secrets" / "postgres_password").write_text("s3cr3t")
    for name in upgrade.FILES:
        (paths.home / "data" / name).write_text("old")
    return Move(paths, Volume(OLD, 15), NEW, Image("postgres:17", 17, "/v", "/v"))


def install(fails: str, monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server(fails)

    def stepping(name: str, result: Any = None) -> Any:
        def act(*_: object, **__: object) -> Any:
            server.step(name)
            return result

        return act

    def remove(container: str) -> None:
        server.running = [name for name in server.running if name != container]

    def compose(*_: object, **__: object) -> Finished:
        server.composed += 1
        return Finished(0, "", "")

    old = Database("shop", "shop", "postgres", "shop_migrator", "shop-data-postgres-1", container="1")
    for target, name, value in (
        (upgrade, "find_database", lambda paths: old),
        (upgrade, "take", stepping("backup", MANIFEST)),
        (upgrade, "_refuse_small_disk", lambda *_: None),
        (upgrade_server, "start", server.start),
        (upgrade_server, "await_ready", stepping("ready")),
        (upgrade, "_make_roles", stepping("roles")),
        (upgrade_server, "stop", remove),
        (dump, "restore_dump", stepping("restore", [])),
        (restore, "compare", stepping("compare")),
        (docker, "remove", remove),
        (docker, "log_tail", lambda *_: []),
        (docker, "compose", compose),
        (volume, "create", server.create),
        (volume, "remove", server.volumes.remove),
        (volume, "owner_in", lambda name: f"{os.getuid()}:{os.getgid()}" if name == OLD else "70:70"),
        (volume, "exists", lambda name: name in server.volumes),
    ):
        monkeypatch.setattr(target, name, value)
    monkeypatch.setattr(Database, "query", lambda self, *arguments, **options: server.query(self, *arguments, **options))
    monkeypatch.setattr(Database, "look", lambda self: State(("0001",), 1, 1, ()))
    return server


def test_the_new_volume_is_filled_while_the_old_one_is_read_only(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    server = install("", monkeypatch)
    steps = Steps()
    assert upgrade.copy(move, steps, WANTED) == MANIFEST
    assert [done["step"] for done in steps.done] == ["check", "close", "backup", "start", "roles", "restore", "compare", "stop"]
    assert (server.volumes, server.running, server.composed) == ([OLD, NEW], [], 0)
    assert server.said[-1] == f'REVOKE CONNECT ON DATABASE "shop" FROM {NAMES};'
    begun = volume.begun(move.paths)
    assert begun and (begun["from"]["volume"], begun["to"]["volume"]) == (OLD, NEW)
    assert upgrade.finish(move.paths) == begun
    assert volume.begun(move.paths) is None
    assert not upgrade.kept(move.paths).exists()


@pytest.mark.parametrize("fails", ["ready", "restore", "compare"])
def test_what_fails_beside_the_old_server_opens_it_again(fails: str, move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    server = install(fails, monkeypatch)
    with pytest.raises(ReleaseError, match=fails):
        upgrade.copy(move, Steps(), WANTED)
    assert (server.volumes, server.running) == ([OLD], [])
    assert server.said[-1] == f'GRANT CONNECT ON DATABASE "shop" TO {NAMES};'
    assert volume.begun(move.paths) is None


def test_what_fails_in_the_old_servers_place_brings_its_files_back(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    server = install("", monkeypatch)
    upgrade.copy(move, Steps(), WANTED)
    files = [move.paths.home / "data" / name for name in upgrade.FILES]
    for file in files:
        file.write_text("new")
    assert upgrade.revert(move.paths)
    assert ({file.read_text() for file in files}, server.volumes, server.composed) == ({"old"}, [OLD], 1)
    assert not upgrade.kept(move.paths).exists()
    assert upgrade.revert(move.paths) is None


def test_the_old_server_can_read_its_password_again(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    install("", monkeypatch)
    owners: list[tuple[str, int, int]] = []
    monkeypatch.setattr(os, "chown", lambda file, user, group: owners.append((file.name, user, group)))
    upgrade.copy(move, Steps(), WANTED)
    upgrade.revert(move.paths)
    assert owners == [("postgres_password", os.getuid(), os.getgid())]


def test_a_volume_that_no_upgrade_made_is_left_alone(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    server = install("", monkeypatch)
    server.volumes.append(NEW)
    with pytest.raises(ReleaseError, match="nothing was changed") as caught:
        upgrade.copy(move, Steps(), WANTED)
    assert (caught.value.code, server.volumes, server.said) == ("UPGRADE_FAILED", [OLD, NEW], [])
