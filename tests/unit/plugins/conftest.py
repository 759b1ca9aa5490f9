"""Fixtures: a provisioned host in a temporary directory, with a fake engine and a clock that only moves when one sleeps."""

import os
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils import _candidate, _preflight, _stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._probe import Answer, Listener
from ansible_collections.fairlead.fastapi.plugins.modules import release_finish, release_rollout
from fakes import APP, Answers, FakeEngine
from fakes_host import Clock, Host


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
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine()
    fake.install(monkeypatch)
    return fake


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    for module in (_candidate, release_rollout, release_finish):
        monkeypatch.setattr(module, "time", fake)
    return fake


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    fake = Answers()

    def get(self: Listener, path: str, *_: object, **__: object) -> Answer:
        return fake.get(self, path)

    monkeypatch.setattr(Listener, "get", get)
    return fake


@pytest.fixture
def host(paths: AppPaths, engine: FakeEngine, clock: Clock, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A provisioned host on which nothing is live yet; its edge listens."""
    roots = partial(AppPaths, config_root=paths.config_root, run_root=paths.run_root)
    monkeypatch.setattr(_stage, "AppPaths", roots)
    monkeypatch.setattr(_preflight, "_edge", lambda settings: [])
    return Host(paths, engine, answers, clock)
