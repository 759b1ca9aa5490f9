"""On a host that others use, what is theirs stays as it is; what two apps share is united. The tests follow each other."""

import json
import time
from collections.abc import Iterator

import pytest

from lab import others
from lab.play import Play
from lab.story import App

MIRROR = "https://mirror.another.lab:5001"


@pytest.fixture(scope="module")
def theirs(app: App) -> tuple[str, ...]:
    """What belongs to others, before this collection has done anything here."""
    return others.state(app.host)


@pytest.fixture(scope="module")
def second(app: App) -> App:
    """Another app on the same host, whose inventory knows neither mirror nor registry."""
    variables = {"docker_engine_registry_mirrors": [], "docker_engine_registry_certificates": {}, "docker_engine_log_max_size": "1m"}
    return App("second", host=app.host.name, variables=variables)


def daemon(app: App) -> dict[str, object]:
    """The engine's settings on the host."""
    settings: dict[str, object] = json.loads(app.on_host("cat", "/etc/docker/daemon.json"))
    return settings


@pytest.mark.fault(
    row=100,
    fault="docker_engine_options differs from the daemon.json that is there",
    code="ENGINE_CONFLICT",
    serves="what was there",
    says="key and both values",
)
def test_settings_of_others_are_not_overwritten(app: App, theirs: tuple[str, ...]) -> None:
    play = app.play("provision", docker_engine_options={"data-root": "/srv/docker"}).failed_with("ENGINE_CONFLICT")
    assert "data-root: the host has '/var/lib/docker/data', the inventory wants '/srv/docker'" in play.unfolded
    untouched(app, theirs)


@pytest.mark.fault(
    row=101,
    fault="a setting of the engine needs a restart, and containers of others run on it",
    code="ENGINE_SHARED",
    serves="what was there",
    says="what would be interrupted, and how to do it all the same",
)
def test_the_engine_of_others_is_not_restarted(app: App, theirs: tuple[str, ...]) -> None:
    play = app.play("provision", docker_engine_options={"userland-proxy": False}).failed_with("ENGINE_SHARED")
    assert f"interrupts 1 container ({others.SERVICE})" in play.unfolded
    untouched(app, theirs)


@pytest.mark.fault(
    row=102,
    fault="no engine, and the package index has none that is new enough",
    code="ENGINE_PACKAGES",
    serves="what was there",
    says="the packages it lacks, and what works",
)
def test_packages_that_the_index_does_not_have_are_named(app: App, theirs: tuple[str, ...]) -> None:
    play = app.play("provision", docker_engine_packages=["docker.io", "no-such-package"]).failed_with("ENGINE_PACKAGES")
    assert "does not have no-such-package" in play.unfolded
    untouched(app, theirs)


def test_an_engine_that_is_there_is_kept_with_all_that_runs_on_it(app: App, theirs: tuple[str, ...]) -> None:
    play = app.play("site", image_tag="v1").succeeded()
    told = "(docker-ce) is there with 1 container of others, data in /var/lib/docker/data: kept"
    assert told in play.unfolded, play.output
    assert others.state(app.host) == theirs
    assert daemon(app) == {**others.DAEMON, "live-restore": True}
    app.settle()


def test_their_environment_leads_no_playbook_astray(app: App, theirs: tuple[str, ...]) -> None:
    app.deploy("v2").succeeded()
    app.rollback().succeeded()
    assert others.state(app.host) == theirs
    assert len(app.on_host("docker", "ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project=other").split()) == 1
    services = app.on_host("docker", "ps", "--filter", f"label=com.docker.compose.project={app.name}-data", "--format", "{{.Names}}")
    assert sorted(services.split()) == [f"{app.name}-data-postgres-1", f"{app.name}-data-redis-1"]
    app.assert_tidy()


# Not on port 80, which the proxy has on every address of the host.
LISTENER = "from http.server import *; HTTPServer(('169.254.169.254', 8169), BaseHTTPRequestHandler).serve_forever()"


@pytest.fixture
def metadata(app: App) -> Iterator[None]:
    """A metadata server, as containers of the host reach it in a cloud."""
    app.on_host("ip", "address", "replace", "169.254.169.254/32", "dev", "lo")
    app.on_host("systemd-run", "--unit=metadata", "--collect", "python3", "-c", LISTENER)
    yield
    app.on_host("systemctl", "stop", "metadata")
    app.on_host("ip", "address", "del", "169.254.169.254/32", "dev", "lo")


def test_only_the_app_is_kept_from_the_clouds_metadata(app: App, metadata: None) -> None:
    ask = "import socket; socket.create_connection(('169.254.169.254', 8169), 5)"
    api = next(c["Name"].lstrip("/") for c in app.containers() if c["State"]["Running"])
    theirs = ("docker", "exec", others.SERVICE, "bash", "-c", "exec 3<>/dev/tcp/169.254.169.254/8169")
    deadline = time.monotonic() + 20
    while app.host.run(theirs).returncode and time.monotonic() < deadline:
        time.sleep(0.2)
    app.on_host(*theirs)
    refused = app.host.run(["docker", "exec", api, "python", "-c", ask])
    assert "Error" in refused.stderr, "it is reached"
    unit = f"fairlead-metadata-{app.name}.service"
    assert app.on_host("systemctl", "is-enabled", unit).strip() == "enabled"
    app.on_host("systemctl", "stop", unit)
    app.on_host("docker", "exec", api, "python", "-c", ask)
    app.on_host("systemctl", "start", unit)
    assert app.host.run(["docker", "exec", api, "python", "-c", ask]).returncode


def test_a_second_app_takes_nothing_away_from_the_first(app: App, second: App, theirs: tuple[str, ...]) -> None:
    before, trusted = daemon(app), certificates(app)
    second.play("provision").succeeded()
    second.play("provision", docker_engine_registry_mirrors=[MIRROR]).succeeded()
    assert daemon(app) == {**before, "registry-mirrors": [*others.DAEMON["registry-mirrors"], MIRROR]}
    assert certificates(app) == trusted
    again: Play = app.play("provision").succeeded()
    assert again.changed == 0, again.output
    assert others.state(app.host) == theirs
    app.on_host("docker", "compose", "--file", "/opt/fairlead/second/data/compose.yaml", "down", "--volumes", "--timeout", "5")


def untouched(app: App, theirs: tuple[str, ...]) -> None:
    """Nothing was changed on the host."""
    assert others.state(app.host) == theirs
    assert daemon(app) == others.DAEMON
    assert app.on_host("find", "/opt", "-mindepth", "1") == ""


def certificates(app: App) -> str:
    """What the engine trusts, by checksum."""
    return app.on_host("find", "/etc/docker/certs.d", "-type", "f", "-exec", "sha256sum", "{}", "+")
