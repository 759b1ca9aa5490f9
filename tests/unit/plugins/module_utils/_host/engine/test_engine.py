"""What provisioning does about the engine, for each kind of host that it may meet."""

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.engine import decide, refuse_harm, version_of
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.engine_found import Container, Found, Record, Wanted
from fakes import fails

PACKAGES = ["docker.io", "docker-cli", "docker-compose", "docker-buildx", "iptables", "python3-requests"]
SETTINGS: dict[str, Any] = {
    "live-restore": True,
    "no-new-privileges": True,
    "log-driver": "json-file",
    "log-opts": {"max-size": "10m", "max-file": "5"},
    "registry-mirrors": [],
}
WANTED = Wanted(PACKAGES, SETTINGS)
# As `apt-cache policy` had it on each, main and updates.
TRIXIE = {
    **{"docker.io": "26.1.5+dfsg1-9+deb13u1", "docker-cli": "26.1.5+dfsg1-9+deb13u1", "docker-compose": "2.26.1-4"},
    **{"docker-buildx": "0.13.1+ds1-3", "iptables": "1.8.11-2", "python3-requests": "2.32.3+dfsg-5"},
}
BOOKWORM = {
    "docker.io": "20.10.24+dfsg1-1+deb12u1",
    "docker-compose": "1.29.2-3",
    "iptables": "1.8.9-2",
    "python3-requests": "2.28.1+dfsg-1",
}
BULLSEYE = {
    "docker.io": "20.10.5+dfsg1-1+deb11u2",
    "docker-compose": "1.25.0-1",
    "iptables": "1.8.7-1",
    "python3-requests": "2.25.1+dfsg-2",
}
JAMMY = {"docker.io": "20.10.12-0ubuntu4", "docker-compose": "1.29.2-1", "iptables": "1.8.7-1ubuntu5", "python3-requests": "2.25.1+dfsg-2"}
NOBLE = {
    **{
        "docker.io": "28.2.2-0ubuntu1~24.04.1",
        "docker-compose-v2": "2.37.1+ds1-0ubuntu2~24.04.1",
        "docker-buildx": "0.21.3-0ubuntu1~24.04.1",
    },
    **{"docker-compose": "1.29.2-6ubuntu1", "iptables": "1.8.10-3ubuntu2", "python3-requests": "2.31.0+dfsg-1ubuntu1"},
}
CE = {
    "docker-ce": "5:28.1.1-1~debian.12~bookworm",
    "docker-ce-cli": "5:28.1.1",
    "containerd.io": "1.7.27-1",
    "docker-compose-plugin": "2.35.1",
}
WEB, JOB, OURS = Container("web", False, True), Container("job", False, False), Container("shop-r1-api-1", True, True)
DOCKER_CE = Found(
    packages={**CE, "iptables": "1.8.9-2", "python3-requests": "2.28.1"},
    offered=BOOKWORM,
    version="28.1.1",
    runs=True,
    cli=True,
    compose="2.35.1",
)
DEBIANS = replace(DOCKER_CE, packages=TRIXIE, offered=TRIXIE, version="26.1.5+dfsg1", compose="2.26.1-4")


def test_a_bare_host_gets_the_distributions_engine() -> None:
    plan = decide(Found(offered=TRIXIE), WANTED, Record())
    assert (plan.present, plan.installed, plan.apply) == (False, True, "restart")
    assert plan.install == PACKAGES
    assert plan.daemon == {key: value for key, value in SETTINGS.items() if value != []}
    assert plan.told == "No Docker is there: docker.io 26.1.5+dfsg1-9+deb13u1 of this host's package index is installed"


@pytest.mark.parametrize("engine", [DOCKER_CE, DEBIANS])
def test_an_engine_that_is_there_is_kept(engine: Found) -> None:
    plan = decide(replace(engine, containers=[WEB, JOB, OURS]), WANTED, Record())
    assert (plan.present, plan.installed, plan.install, plan.apply) == (True, False, [], "reload")
    assert plan.daemon == {"live-restore": True}, "nothing else is needed, and the rest would be a default for others"
    assert plan.told == f"Docker {engine.version} ({engine.product}) is there with 2 containers of others: kept"


def test_what_others_have_configured_stays() -> None:
    daemon = {"data-root": "/srv/docker", "default-address-pools": [{"base": "10.9.0.0/16", "size": 24}], "registry-mirrors": ["https://a"]}
    found = replace(DOCKER_CE, containers=[WEB], daemon=daemon, data="/srv/docker")
    plan = decide(found, replace(WANTED, settings={**SETTINGS, "registry-mirrors": ["https://b"]}), Record())
    assert plan.daemon == {**daemon, "live-restore": True, "registry-mirrors": ["https://a", "https://b"]}
    assert (plan.apply, plan.install) == ("reload", [])
    assert plan.told == "Docker 28.1.1 (docker-ce) is there with 1 container of others, data in /srv/docker: kept"
    assert decide(replace(found, daemon=plan.daemon), WANTED, Record()).apply == "none"


def test_the_own_engine_is_left_alone_the_second_time() -> None:
    first = decide(Found(offered=TRIXIE), WANTED, Record())
    again = decide(replace(DEBIANS, daemon=first.daemon, containers=[OURS]), WANTED, Record(True, SETTINGS))
    assert (again.install, again.apply, again.installed, again.warnings) == ([], "none", True, [])


def test_an_engine_that_took_the_place_of_the_own_one_is_not_ours() -> None:
    plan = decide(replace(DOCKER_CE, daemon={"log-driver": "local"}), WANTED, Record(True, {}))
    assert plan.installed is False
    assert plan.daemon["log-driver"] == "local"


@pytest.mark.parametrize(
    ("lacks", "install"),
    [
        ({"compose": None}, ["docker-compose-plugin"]),
        ({"cli": False}, ["docker-ce-cli"]),
        ({"packages": CE}, ["iptables", "python3-requests"]),
    ],
)
def test_what_an_engine_lacks_is_added_from_the_same_source(lacks: dict[str, Any], install: list[str]) -> None:
    found = replace(DOCKER_CE, offered={**BOOKWORM, **CE}, **lacks)
    assert decide(found, WANTED, Record()).install == install


@pytest.mark.parametrize(
    ("found", "code", "says"),
    [
        (Found(offered=BULLSEYE), "ENGINE_PACKAGES", "does not have docker-cli, docker-buildx and has only docker.io 20.10.5"),
        (Found(offered=BOOKWORM), "ENGINE_PACKAGES", "has only docker.io 20.10.24+dfsg1-1+deb12u1 (needs 25.0), docker-compose 1.29.2"),
        (Found(offered=JAMMY), "ENGINE_PACKAGES", "does not have docker-cli"),
        (Found(offered=NOBLE), "ENGINE_PACKAGES", "does not have docker-cli and has only docker-compose 1.29.2-6ubuntu1 (needs 2.24)"),
        (Found(), "ENGINE_PACKAGES", "does not have docker.io"),
        (Found(foreign="Docker from a snap"), "ENGINE_UNFIT", "Docker from a snap is on this host"),
        (replace(DOCKER_CE, silent=True), "ENGINE_UNFIT", "does not answer at /var/run/docker.sock"),
        (replace(DOCKER_CE, version="24.0.9", containers=[WEB]), "ENGINE_UNFIT", "24.0.9 is on this host, which runs 1 container"),
        (replace(DOCKER_CE, compose="2.21.0"), "ENGINE_UNFIT", "Docker Compose 2.21.0 is on this host"),
        (replace(DOCKER_CE, compose=None), "ENGINE_UNFIT", "without the Compose plugin"),
        (replace(DEBIANS, compose=None, offered=BOOKWORM), "ENGINE_UNFIT", "without the Compose plugin"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_changed(found: Found, code: str, says: str) -> None:
    with fails(code) as caught:
        decide(found, WANTED, Record())
    assert says in caught.value.what
    assert "nothing was changed" in caught.value.what


def test_on_ubuntu_other_packages_can_be_named() -> None:
    packages = ["docker.io", "docker-compose-v2", "docker-buildx", "iptables", "python3-requests"]
    assert decide(Found(offered=NOBLE), replace(WANTED, packages=packages), Record()).install == packages


def test_an_empty_package_index_is_named_as_the_cause() -> None:
    with fails("ENGINE_PACKAGES") as caught:
        decide(Found(), WANTED, Record())
    assert "apt-get update" in caught.value.todo


OPTIONS = replace(WANTED, settings={**SETTINGS, "userland-proxy": False}, explicit=frozenset({"userland-proxy"}))


@pytest.mark.parametrize(
    ("containers", "daemon", "effect"),
    [
        ([WEB, OURS], {}, "interrupts 1 container (web)"),
        ([WEB, OURS], {"live-restore": False}, "stops 2 containers (shop-r1-api-1, web)"),
        ([OURS], {"live-restore": False}, "stops 1 container (shop-r1-api-1)"),
    ],
)
def test_a_restart_that_others_would_feel_is_done_by_order_only(containers: list[Container], daemon: dict[str, Any], effect: str) -> None:
    found = replace(DOCKER_CE, containers=containers, daemon={**SETTINGS, **daemon})
    with fails("ENGINE_SHARED") as caught:
        decide(found, OPTIONS, Record())
    assert effect in caught.value.what
    assert "-e docker_engine_restart_others=true" in caught.value.todo
    plan = decide(found, replace(OPTIONS, restart_others=True), Record())
    assert plan.apply == "restart"
    assert any(effect in warning for warning in plan.warnings)


@pytest.mark.parametrize("containers", [[], [JOB], [OURS]])
def test_a_restart_without_effect_on_users_is_done(containers: list[Container]) -> None:
    plan = decide(replace(DOCKER_CE, containers=containers, daemon=SETTINGS), OPTIONS, Record())
    assert (plan.apply, plan.warnings) == ("restart", [])


def test_the_operators_own_options_do_not_overwrite_the_hosts() -> None:
    with fails("ENGINE_CONFLICT") as caught:
        decide(replace(DOCKER_CE, daemon={"userland-proxy": True}), OPTIONS, Record())
    assert caught.value.details == ["userland-proxy: the host has True, the inventory wants False"]


def test_other_log_options_are_kept_and_reported() -> None:
    plan = decide(replace(DOCKER_CE, daemon={**SETTINGS, "log-opts": {"max-size": "99m"}}), WANTED, Record())
    assert plan.apply == "none"
    assert len(plan.warnings) == 1
    assert "log-opts: the host has {'max-size': '99m'}" in plan.warnings[0]


@pytest.mark.parametrize(
    ("held", "offered", "told"),
    [(["docker.io"], "27.0.1-1", True), (["docker.io"], TRIXIE["docker.io"], False), ([], "27.0.1-1", False)],
)
def test_a_held_engine_of_which_there_is_a_newer_one_is_reported(held: list[str], offered: str, told: bool) -> None:
    plan = decide(replace(DEBIANS, held=held, offered={**TRIXIE, "docker.io": offered}, daemon=SETTINGS), WANTED, Record(True, SETTINGS))
    assert (plan.install, plan.apply) == ([], "none")
    assert ["docker.io is held at" in warning and "27.0.1-1" in warning for warning in plan.warnings] == [True] * told


def test_a_swarm_cannot_have_live_restore() -> None:
    plan = decide(replace(DOCKER_CE, swarm=True, containers=[WEB]), WANTED, Record())
    assert (plan.daemon, plan.apply) == ({}, "none")
    assert plan.warnings[0].startswith("LIVE_RESTORE: ")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("5:28.1.1-1~debian.13~trixie", (28, 1)),
        ("26.1.5+dfsg1-9+deb13u1+b1", (26, 1)),
        ("v2.35.1", (2, 35)),
        ("2.26.1-4", (2, 26)),
        ("unknown", (0, 0)),
    ],
)
def test_versions_as_packages_and_programs_write_them(text: str, version: tuple[int, int]) -> None:
    assert version_of(text) == version


SIMULATED = "Inst libcompel1 (4.1.1-1 Debian:13.1)\nInst python3-requests (2.32.3 Debian:13.1)\nConf python3-requests (2.32.3)\n"


def test_packages_that_harm_nothing_may_be_installed() -> None:
    refuse_harm(SIMULATED + "Inst libc6 [2.41-1] (2.41-2 Debian:13.1)\n", ["python3-requests"])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("Remv containerd.io [1.7.27-1]", "remove containerd.io"),
        ("Inst docker-ce [5:28.1.1] (5:29.0.0 Docker:trixie)", "replace the version of docker-ce"),
    ],
)
def test_packages_that_harm_the_engine_are_refused(line: str, says: str) -> None:
    with fails("ENGINE_UNFIT") as caught:
        refuse_harm(f"{line}\n{SIMULATED}", ["docker.io"])
    assert says in caught.value.what
