"""All that a host lacks is told at once, before anything is changed."""

import os
import shutil
import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.limits import MEGABYTE
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import preflight
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from fakes import FakeEdge, FakeEngine, container, fails, service
from fakes_host import SETTINGS, settings_with, tree

pytestmark = pytest.mark.usefixtures("memory")


@pytest.fixture
def settings() -> Settings:
    """Settings that name a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return settings_with(public_port=free.getsockname()[1])


def found(paths: AppPaths, settings: Settings) -> dict[str, ReleaseError]:
    """Return what is found, but that nobody listens, by its code."""
    findings = {finding.code: finding for finding in preflight.look(paths, settings, None)}
    findings.pop("PROXY_DOWN", None)
    return findings


def test_a_host_that_has_all(paths: AppPaths, engine: FakeEngine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as edge:
        settings = settings_with(public_port=edge.getsockname()[1])
        findings = preflight.look(paths, settings, container("r1"))
    assert findings == []
    preflight.raise_all(findings)
    assert engine.told == []


@pytest.mark.parametrize(
    ("containers", "words"),
    [
        ([], "there is no container of it"),
        ([service("edge", "caddy", Running=False, Status="exited", ExitCode=1)], "edge-caddy-1 is exited (exit code 1)"),
    ],
)
def test_no_edge(paths: AppPaths, engine: FakeEngine, settings: Settings, containers: list[dict[str, Any]], words: str) -> None:
    engine.projects["edge"] = containers
    with fails("PROXY_DOWN") as caught:
        preflight.raise_all(preflight.look(paths, settings, None))
    assert f"127.0.0.1:{settings['public_port']}" in caught.value.what
    assert words in caught.value.what


def test_a_proxy_that_fails_at_each_start_is_down_although_its_port_is_open(paths: AppPaths, engine: FakeEngine) -> None:
    engine.projects["edge"] = [service("edge", "caddy", Restarting=True, Status="restarting", ExitCode=1)]
    with socket.create_server(("127.0.0.1", 0)) as edge:
        (finding,) = preflight.look(paths, settings_with(public_port=edge.getsockname()[1]), None)
    assert finding.code == "PROXY_DOWN"
    assert "edge-caddy-1 is restarting (exit code 1)" in finding.what


@pytest.mark.parametrize("gone", ["home", "route"])
def test_not_provisioned(paths: AppPaths, engine: FakeEngine, settings: Settings, gone: str) -> None:
    directory = paths.home if gone == "home" else paths.route.parent
    shutil.rmtree(directory)
    with fails("NOT_PROVISIONED") as caught:
        preflight.raise_all(preflight.look(paths, settings, None))
    assert str(directory) in caught.value.what
    assert "provision.yml" in caught.value.todo


def test_a_network_is_missing(paths: AppPaths, engine: FakeEngine, settings: Settings) -> None:
    engine.networks_missing = ["shop-data"]
    assert "shop-data" in found(paths, settings)["NETWORK_MISSING"].what


STOPPED = {"Running": False, "Status": "exited", "ExitCode": 137}
UNHEALTHY = {"Health": {"Status": "unhealthy"}}


@pytest.mark.parametrize(
    ("containers", "told"),
    [
        ([service("shop-data", "postgres"), service("shop-data", "redis")], {}),
        ([service("shop-data", "postgres", Health=None)], {}),
        ([service("shop-data", "postgres", Health={"Status": "starting"})], {}),
        (
            [service("shop-data", "postgres", **STOPPED), service("shop-data", "redis", **UNHEALTHY)],
            {
                "DB_UNREACHABLE": "postgres (shop-data-postgres-1) is exited (exit code 137)",
                "REDIS_UNREACHABLE": "redis (shop-data-redis-1) is unhealthy",
            },
        ),
        ([service("shop-data", "exporter", **STOPPED)], {}),  # not what the app needs
    ],
)
@pytest.mark.parametrize("here", [True, False])
def test_data_services_that_do_not_run(
    paths: AppPaths, engine: FakeEngine, settings: Settings, containers: list[dict[str, Any]], told: dict[str, str], here: bool
) -> None:
    engine.projects["shop-data"] = containers
    networks = {} if here else {"networks": ["shop"]}
    findings = found(paths, settings_with(**{**settings, **networks}))
    assert {code: finding.what for code, finding in findings.items()} == (told if here else {})


@pytest.mark.parametrize(
    ("live", "uses", "available", "enough"),
    [
        (None, None, 127, False),
        (None, None, 129, True),
        (container("r1"), 300 * MEGABYTE, 299, False),
        (container("r1"), 300 * MEGABYTE, 301, True),
        (container("r1", Running=False), 300 * MEGABYTE, 129, True),  # what is stopped tells nothing
        (container("r1"), None, 127, False),
    ],
)
def test_memory_for_one_more_release(
    paths: AppPaths,
    engine: FakeEngine,
    settings: Settings,
    memory: Path,
    live: dict[str, Any] | None,
    uses: int | None,
    available: int,
    enough: bool,
) -> None:
    engine.memory = uses
    memory.write_text(f"MemTotal: 999999999 kB\nMemAvailable:    {available * 1024} kB\n")
    codes = [finding.code for finding in preflight.look(paths, settings, live)]
    assert codes == (["PROXY_DOWN"] if enough else ["MEMORY"])


def test_a_kernel_that_does_not_report_its_memory(paths: AppPaths, engine: FakeEngine, settings: Settings, memory: Path) -> None:
    memory.write_text("MemTotal: 1 kB\n")
    assert found(paths, settings) == {}


def test_a_missing_engine_is_reported_without_what_follows_from_it(paths: AppPaths, engine: FakeEngine, settings: Settings) -> None:
    engine.failing["engine"] = ReleaseError("DOCKER_DOWN", "the engine does not answer", "start it")
    engine.compose_is = None
    with fails("DOCKER_DOWN"):
        preflight.raise_all(preflight.look(paths, settings, None))


def test_several_reasons_come_in_one_message(paths: AppPaths, engine: FakeEngine, settings: Settings) -> None:
    engine.compose_is = None
    engine.networks_missing = ["shop", "shop-data"]
    shutil.rmtree(paths.home)
    before = tree(paths.config_root, paths.run_root)
    with fails("PREFLIGHT") as caught:
        preflight.raise_all(preflight.look(paths, settings, None))
    assert ": 3 problems" in caught.value.what
    codes = [line.partition(":")[0] for line in caught.value.details]
    assert sorted(codes) == ["COMMAND_MISSING", "NETWORK_MISSING", "NOT_PROVISIONED"]
    assert all("To do: " in line for line in caught.value.details)
    assert tree(paths.config_root, paths.run_root) == before


@pytest.mark.parametrize(
    ("blocks", "inodes", "files", "live_image", "why"),
    [
        (30, 50_000, 100_000, None, None),
        (9, 50_000, 100_000, None, "9 MB are free, 10 MB are needed"),
        (30, 50_000, 100_000, "shop@large", "30 MB are free, 40 MB are needed"),
        (30, 50_000, 100_000, "shop@gone", None),
        (30, 19_999, 100_000, None, "19999 inodes are free, 20000 are needed"),
        (30, 0, 0, None, None),  # btrfs does not count them
    ],
)
def test_disk_space(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, blocks: int, inodes: int, files: int, live_image: str | None, why: str | None
) -> None:
    def statvfs(path: Path) -> SimpleNamespace:
        assert path == Path("/srv/docker")
        return SimpleNamespace(f_bavail=blocks, f_frsize=MEGABYTE, f_favail=inodes, f_files=files)

    engine.is_engine = replace(engine.is_engine, data=Path("/srv/docker"))
    monkeypatch.setattr(os, "statvfs", statvfs)
    monkeypatch.setattr(docker, "image_size", {"shop@large": 20 * MEGABYTE}.get)
    problem = preflight.disk(settings_with(disk_megabytes=10), live_image)
    assert (problem and (problem.code, problem.what)) == (why and ("DISK_SPACE", f"no room for another image in /srv/docker: {why}"))


@pytest.mark.parametrize(
    ("platforms", "why"),
    [
        ([], None),
        ([("linux", "amd64")], None),
        ([("linux", "arm64"), ("linux", "amd64")], None),
        ([("linux", "arm64"), ("windows", "amd64")], "shop:v1 was built for linux/arm64, windows/amd64, this host is linux/amd64"),
    ],
)
def test_platforms(engine: FakeEngine, platforms: list[tuple[str, str]], why: str | None) -> None:
    problem = preflight.platform("shop:v1", platforms)
    assert (problem and (problem.code, problem.what)) == (why and ("IMAGE_PLATFORM", why))


def test_warnings(engine: FakeEngine, edge: FakeEdge) -> None:
    assert preflight.warnings(SETTINGS, None) == []
    edge.certificate = "CERT_EXPIRY: soon"
    engine.is_engine = replace(engine.is_engine, live_restore=False)
    told = preflight.warnings(SETTINGS, 1.0)
    assert [warning.partition(":")[0] for warning in told] == ["CLOCK_OFFSET", "CERT_EXPIRY", "LIVE_RESTORE"]
