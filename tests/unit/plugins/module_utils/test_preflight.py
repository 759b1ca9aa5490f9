"""All that a host lacks is told at once, before anything is changed."""

import shutil
import socket

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils import _preflight
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._files import AppPaths
from fakes import FakeEngine, fails
from fakes_host import SETTINGS, tree


@pytest.fixture
def settings() -> dict[str, object]:
    """Settings that name a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return {**SETTINGS, "public_port": free.getsockname()[1]}


def test_a_host_that_has_all(paths: AppPaths, engine: FakeEngine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as edge:
        _preflight.check(paths, {**SETTINGS, "public_port": edge.getsockname()[1]})
    assert engine.told == []


def test_no_edge(paths: AppPaths, engine: FakeEngine, settings: dict[str, object]) -> None:
    with fails("EDGE_DOWN") as caught:
        _preflight.check(paths, settings)
    assert f"127.0.0.1:{settings['public_port']}" in caught.value.what


@pytest.mark.parametrize("gone", ["home", "route"])
def test_not_provisioned(paths: AppPaths, engine: FakeEngine, settings: dict[str, object], gone: str) -> None:
    directory = paths.home if gone == "home" else paths.route.parent
    shutil.rmtree(directory)
    with fails("NOT_PROVISIONED") as caught:
        _preflight.check(paths, settings)
    assert str(directory) in caught.value.what
    assert "provision.yml" in caught.value.todo


def test_a_network_is_missing(paths: AppPaths, engine: FakeEngine, settings: dict[str, object]) -> None:
    engine.networks_missing = ["shop-data"]
    with fails("NETWORK_MISSING") as caught:
        _preflight.check(paths, settings)
    assert "shop-data" in caught.value.what


def test_no_engine_is_told_without_what_follows_from_it(paths: AppPaths, engine: FakeEngine, settings: dict[str, object]) -> None:
    engine.failing["server_version"] = ReleaseError("DOCKER_DOWN", "the engine does not answer", "start it")
    engine.compose_is = None
    with fails("DOCKER_DOWN"):
        _preflight.check(paths, settings)


def test_several_reasons_come_in_one_message(paths: AppPaths, engine: FakeEngine, settings: dict[str, object]) -> None:
    engine.compose_is = None
    engine.networks_missing = ["shop", "shop-data"]
    shutil.rmtree(paths.home)
    before = tree(paths.config_root, paths.run_root)
    with fails("PREFLIGHT") as caught:
        _preflight.check(paths, settings)
    assert "for 3 reasons" in caught.value.what
    codes = [line.partition(":")[0] for line in caught.value.details]
    assert codes == ["COMMAND_MISSING", "NETWORK_MISSING", "NOT_PROVISIONED"]
    assert all("To do: " in line for line in caught.value.details)
    assert tree(paths.config_root, paths.run_root) == before
