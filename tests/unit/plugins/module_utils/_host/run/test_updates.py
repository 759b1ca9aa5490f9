"""What was published since a host got its images and packages."""

import shutil
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker, engine_facts
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import updates
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from fakes import FakeEngine, service

OLD, NEW = "sha256:" + "1" * 64, "sha256:" + "2" * 64
POLICY = "docker.io:\n  Installed: 26.1.5\n  Candidate: 26.1.7\ncontainerd:\n  Installed: 1.7\n  Candidate: 1.7\n"


def runs(project: str, name: str, image: str) -> dict[str, Any]:
    container = service(project, name)
    container["Config"]["Image"], container["Image"] = image, f"id-of-{image}"
    return container


@pytest.fixture
def host(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """A host whose proxy, PostgreSQL and Redis run; nothing is newer, and no package is held."""
    engine.projects["shop-data"] = [runs("shop-data", "postgres", "postgres:17"), runs("shop-data", "redis", "redis:8")]
    engine.projects["edge"] = [runs("edge", "caddy", "caddy:2"), runs("edge", "debug", "debug:1")]
    monkeypatch.setattr(docker, "digests", lambda image: [OLD])
    monkeypatch.setattr(docker, "newer", lambda reference, present: "")
    monkeypatch.setattr(engine_facts, "installed_packages", lambda: ({}, []))
    monkeypatch.setattr(shutil, "which", lambda name, path=None: f"/usr/bin/{name}")
    return engine


def test_no_update_is_reported_where_nothing_is_newer(host: FakeEngine) -> None:
    assert updates.available("shop") == []


def test_each_tag_that_has_moved_is_named_with_its_variable(host: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def newer(reference: str, present: list[str]) -> str:
        asked.append(reference)
        return NEW if present == [OLD] else ""

    monkeypatch.setattr(docker, "newer", newer)
    told = updates.available("shop")
    assert sorted(asked) == ["caddy:2", "postgres:17", "redis:8"]
    assert [line.rpartition(" ")[2] for line in told] == [f"postgres:17@{NEW}", f"redis:8@{NEW}", f"caddy:2@{NEW}"]
    assert "data_services_postgres_image" in told[0] and "data_services_redis_image" in told[1] and "edge_proxy_image" in told[2]


@pytest.mark.parametrize("error", [ReleaseError("DOCKER_DOWN", "no answer", "start it"), KeyError("Descriptor"), ValueError("no JSON")])
def test_an_answer_that_is_none_is_no_failure(host: FakeEngine, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def newer(reference: str, present: list[str]) -> str:
        raise error

    monkeypatch.setattr(docker, "newer", newer)
    assert updates.available("shop") == []


def test_held_packages_are_named_where_there_is_a_newer_one(host: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "run", lambda command: Finished(0, POLICY, ""))
    installed = {"docker.io": "26.1.5", "containerd": "1.7", "vim": "9"}
    monkeypatch.setattr(engine_facts, "installed_packages", lambda: (installed, list(installed)))
    (told,) = updates.available("shop")
    assert told.startswith("docker.io is held at 26.1.5 and 26.1.7 is there")


def test_a_host_without_apt_holds_nothing(host: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    assert updates.available("shop") == []
