"""Fixtures: a provisioned host in a temporary directory, with a fake engine and a clock that only moves when one sleeps."""

import os
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import backup
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base import proc as _proc
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import Answer, Listener
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import drain, retirement, site
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import edge as _edge
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import registry
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import (
    bake,
    journal,
    migration,
    planning,
    preflight,
    recovery,
    stage,
    unchanged,
    way_back,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages import (
    release_downgrade,
    release_migrate,
    release_prepare,
    release_rollout,
    release_target,
)
from fakes import APP, Answers, FakeEdge, FakeEngine, FakeRegistry
from fakes_database import BACKUP, FakeDatabase
from fakes_host import Background, Clock, Host
from fakes_proc import Proc
from fakes_units import Units

# Far from any limit.
PLENTY = "MemTotal:       16000000 kB\nMemAvailable:    8000000 kB\n"


@pytest.fixture(autouse=True)
def no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Syncing is judged by tests/unit/plugins/module_utils/test_files.py; elsewhere it only takes time."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def paths(tmp_path: Path) -> AppPaths:
    """A provisioned host's directories."""
    found = AppPaths(APP, tmp_path / "opt", tmp_path / "var")
    (found.home / "releases").mkdir(parents=True)
    found.route.parent.mkdir(parents=True)
    return found


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine()
    fake.volume_root = tmp_path / "volumes"
    fake.install(monkeypatch)
    return fake


@pytest.fixture
def database(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> FakeDatabase:
    """The app's database, which backups are only noted of."""
    fake = engine.database

    def take(paths: AppPaths, database: FakeDatabase, kind: str, release: str | None = None) -> Manifest:
        engine.note("backup", f"for a {kind}, of {release}")
        return Manifest(BACKUP, bytes=4096)

    for module in (planning, recovery, unchanged, way_back, release_prepare, release_migrate, release_target, release_downgrade):
        monkeypatch.setattr(module, "find_database", lambda paths: fake if fake.known else None)
    monkeypatch.setattr(backup, "take", take)
    return fake


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    for module in (candidate, bake, drain, journal, migration, release_rollout, retirement):
        monkeypatch.setattr(module, "time", fake)
    return fake


@pytest.fixture
def background(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Background:
    fake = Background(clock)
    monkeypatch.setattr(drain, "ThreadPoolExecutor", fake)
    return fake


@pytest.fixture
def edge(monkeypatch: pytest.MonkeyPatch) -> FakeEdge:
    fake = FakeEdge()
    monkeypatch.setattr(_edge, "Answers", fake.answers)
    monkeypatch.setattr(_edge, "certificate_problem", fake.certificate_problem)
    return fake


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    fake = Answers()

    def get(self: Listener, path: str, *_: object, **__: object) -> Answer:
        return fake.get(self, path)

    monkeypatch.setattr(Listener, "get", get)
    return fake


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the kernel tells of memory: there is plenty."""
    file = tmp_path / "meminfo"
    file.write_text(PLENTY)
    monkeypatch.setattr(preflight, "MEMORY", file)
    return file


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proc:
    """What the kernel tells of connections: of no process anything, until a test says so."""
    monkeypatch.setattr(_proc, "PROC", tmp_path / "proc")
    monkeypatch.setattr(_proc, "CGROUPS", tmp_path / "cgroup")
    return Proc(tmp_path / "proc")


@pytest.fixture
def logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where credentials lie while an image is pulled."""
    directory = tmp_path / "run"
    directory.mkdir()
    monkeypatch.setattr(registry, "LOGIN_DIRECTORY", directory)
    return directory


@pytest.fixture
def units(monkeypatch: pytest.MonkeyPatch) -> Units:
    fake = Units()
    monkeypatch.setattr(retirement, "run", fake.run)
    return fake


@pytest.fixture
def host(
    paths: AppPaths,
    engine: FakeEngine,
    database: FakeDatabase,
    answers: Answers,
    edge: FakeEdge,
    clock: Clock,
    background: Background,
    memory: Path,
    logins: Path,
    proc: Proc,
    units: Units,
    monkeypatch: pytest.MonkeyPatch,
) -> Host:
    """A provisioned host on which nothing is live yet; its edge listens."""
    roots = partial(AppPaths, config_root=paths.config_root, run_root=paths.run_root)
    monkeypatch.setattr(stage, "AppPaths", roots)
    monkeypatch.setattr(site, "EDGE", paths.config_root.with_name("etc"))
    monkeypatch.setattr(stage, "unreached", lambda paths, live: edge.unreached)
    monkeypatch.setattr(stage, "Registry", partial(FakeRegistry, engine))
    monkeypatch.setattr(preflight, "_edge_listens", lambda settings: [])
    return Host(paths, engine, answers, edge, clock, background, units)
