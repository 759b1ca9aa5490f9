"""What a host says of its engine, as programs print it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker, engine_facts
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.engine import Container
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from fakes import fails

POLICY = """docker.io:
  Installed: (none)
  Candidate: 26.1.5+dfsg1-9+deb13u1
  Version table:
     26.1.5+dfsg1-9+deb13u1 500
        500 http://mirror.example.com/debian trixie/main amd64 Packages
docker-compose-v2:
  Installed: (none)
  Candidate: (none)
  Version table:
iptables:
  Installed: 1.8.11-2
  Candidate: 1.8.11-2
  Version table:
"""


def test_what_the_package_index_offers() -> None:
    assert engine_facts.candidates(POLICY) == {"docker.io": "26.1.5+dfsg1-9+deb13u1", "iptables": "1.8.11-2"}


def test_flags_by_their_names() -> None:
    command = ["/usr/bin/dockerd", "-H", "fd://", "--containerd=/run/containerd/containerd.sock", "--live-restore", "--mtu", "1400"]
    assert engine_facts.flags(command) == {"containerd", "live-restore", "mtu"}


@pytest.mark.parametrize(
    ("labels", "ours"),
    [
        ({}, False),
        ({"fairlead.app": "shop"}, True),
        ({"com.docker.compose.project.working_dir": "/opt/fairlead/shop/data"}, True),
        ({"com.docker.compose.project.working_dir": "/opt/fairlead-of-others"}, False),
        ({"com.docker.compose.project": "edge"}, False),
    ],
)
def test_whose_a_container_is(labels: dict[str, str], ours: bool) -> None:
    assert engine_facts.is_ours(labels) is ours


@pytest.mark.parametrize("text", ["{", "[]", '"x"'])
def test_a_daemon_json_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(engine_facts, "DAEMON", tmp_path / "daemon.json")
    assert engine_facts.read_daemon() == {}
    engine_facts.DAEMON.write_text(text)
    with fails("ENGINE_CONFLICT"):
        engine_facts.read_daemon()


class Programs:
    """A host of which only some programs are there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *names: str, packages: str = "") -> None:
        self.says = {
            "dpkg-query": packages,
            "apt-cache": POLICY,
            "dockerd": "Docker version 26.1.5+dfsg1, build a72d7cd\n",
        }
        monkeypatch.setattr(shutil, "which", lambda name, path: f"/usr/bin/{name}" if name in names else None)
        monkeypatch.setattr(engine_facts, "run", self.run)
        monkeypatch.setattr(docker, "compose_version", lambda: "2.26.1")
        for name in ("DAEMON", "PID", "SNAP"):
            monkeypatch.setattr(engine_facts, name, tmp_path / name)
        monkeypatch.setattr(engine_facts, "PROC", tmp_path)

    def run(self, command: list[str]) -> Finished:
        return Finished(0, self.says[Path(command[0]).name], "")


def test_no_relative_of_debian(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Programs(monkeypatch, tmp_path, "dnf", "dockerd")
    with fails("ENGINE_UNFIT"):
        engine_facts.look([])


def test_a_bare_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Programs(
        monkeypatch,
        tmp_path,
        "apt-get",
        packages="installed hold iptables 1.8.11-2\nconfig-files hold docker.io 26.1.5\ninstalled install vim 9\n",
    )
    found = engine_facts.look(["docker.io"])
    assert (found.version, found.runs, found.packages) == (None, False, {"iptables": "1.8.11-2", "vim": "9"})
    assert list(found.held) == ["iptables"]


@pytest.mark.parametrize(("package", "snap"), [("podman-docker", False), ("docker.io", True)])
def test_what_only_looks_like_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: str, snap: bool) -> None:
    Programs(monkeypatch, tmp_path, "apt-get", "dockerd", packages=f"installed install {package} 5.4.2\n")
    if snap:
        engine_facts.SNAP.mkdir()
    assert ("Podman" in str(engine_facts.look([]).foreign), "snap" in str(engine_facts.look([]).foreign)) == (not snap, snap)


def test_an_engine_that_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Programs(monkeypatch, tmp_path, "apt-get", "dockerd", "docker", packages="installed install docker-ce 5:28.1.1\n")
    engine_facts.PID.write_text("17")
    (tmp_path / "17").mkdir()
    (tmp_path / "17" / "cmdline").write_bytes(b"/usr/bin/dockerd\0--mtu=1400\0")
    info: dict[str, Any] = {"DockerRootDir": "/srv/docker", "Swarm": {"LocalNodeState": "inactive"}}
    listed = [{"Id": "ab", "Names": ["/web"], "Labels": None, "State": "running"}]
    monkeypatch.setattr(docker, "about", lambda: ({"Version": "28.1.1"}, info))
    monkeypatch.setattr(docker, "all_containers", lambda: listed)
    found = engine_facts.look([])
    assert (found.version, found.compose, found.data, sorted(found.flags)) == ("28.1.1", "2.26.1", "/srv/docker", ["mtu"])
    assert (found.runs, found.silent, found.swarm, found.containers) == (True, False, False, [Container("web", False, True)])


@pytest.mark.parametrize("started", [False, True])
def test_an_engine_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, started: bool) -> None:
    Programs(monkeypatch, tmp_path, "apt-get", "dockerd", "docker", packages="installed install docker.io 26.1.5\n")
    if started:
        engine_facts.PID.write_text("17")
        (tmp_path / "17").mkdir()
        (tmp_path / "17" / "cmdline").write_bytes(b"/usr/sbin/dockerd\0-H\0tcp://10.0.0.1\0")

    def refuse() -> None:
        raise ReleaseError("DOCKER_DOWN", "", "")

    monkeypatch.setattr(docker, "about", refuse)
    found = engine_facts.look([])
    assert (found.version, found.runs, found.silent) == ("26.1.5+dfsg1", False, started)
