"""A host that others use already: Docker's own packages, an engine with settings of theirs, a Compose project that runs on it.

Docker's packages cannot be fetched in the lab. They are made from Debian's, with Docker's names, layout and conflicts.
"""

import json
import sys
from typing import Any

from lab import hosts, paths
from lab.hosts import Host
from lab.registry import MIRROR

VERSION = "5:26.1.5-1~debian.13~trixie"
# Run on the host as root: the packages wait in apt's cache.
_SCRIPT = """
import pathlib, shutil, subprocess, sys
CACHE, VERSION = pathlib.Path("/var/cache/apt/archives"), sys.argv[1]
OLD = "docker.io, docker-cli, docker-compose, docker-compose-v2, docker-doc, podman-docker, containerd, runc"
# Name: what Debian calls its files, and what Docker's package depends on.
PACKAGES = {
    "containerd.io": (["containerd", "runc"], "libc6"),
    "docker-ce-cli": (["docker-cli"], "libc6"),
    "docker-compose-plugin": (["docker-compose"], "docker-ce-cli"),
    "docker-ce": (["docker.io"], "containerd.io, docker-ce-cli, iptables, tini"),
}
work = pathlib.Path("/root/docker-ce")
shutil.rmtree(work, ignore_errors=True)
for name, (sources, depends) in PACKAGES.items():
    root = work / name
    (root / "DEBIAN").mkdir(parents=True)
    for source in sources:
        subprocess.run(["dpkg-deb", "--extract", max(CACHE.glob(f"{source}_*.deb")), root], check=True)
    if name == "docker-ce":
        # Makes the group, enables and starts the service.
        subprocess.run(["dpkg-deb", "--control", max(CACHE.glob("docker.io_*.deb")), work / "control"], check=True)
        shutil.copy(work / "control/postinst", root / "DEBIAN")
    (root / "DEBIAN" / "control").write_text(
        f"Package: {name}\\nVersion: {VERSION}\\nArchitecture: amd64\\nMaintainer: Lab <lab@localhost>\\n"
        f"Depends: {depends}\\nConflicts: {OLD}\\nReplaces: {OLD}\\nDescription: stand-in\\n"
    )
    shutil.rmtree(root / "usr/share/lintian", ignore_errors=True)
    subprocess.run(["dpkg-deb", "-Znone", "--build", root, work / f"{name}.deb"], check=True, stdout=subprocess.DEVNULL)
debs = sorted(str(file) for file in work.glob("*.deb"))
subprocess.run(["apt-get", "install", "--yes", "--no-install-recommends", *debs], check=True, stdout=subprocess.DEVNULL)
shutil.rmtree(work)
"""

PROJECT = "/srv/other/docker-compose.yml"
SERVICE = "other-store-1"
# The engine's data lies on the volume that the lab mounts at /var/lib/docker.
DAEMON: dict[str, Any] = {
    "data-root": "/var/lib/docker/data",
    "default-address-pools": [{"base": "10.201.0.0/16", "size": 24}],
    "insecure-registries": ["registry.other:5000"],
    "log-driver": "local",
    "registry-mirrors": [f"https://{MIRROR.host}"],
}
ENVIRONMENT = {"COMPOSE_FILE": PROJECT, "COMPOSE_PROJECT_NAME": "other", "COMPOSE_PROFILES": "extra", "DOCKER_CONTEXT": "nowhere"}
_COMPOSE = """
name: other
services:
  store:
    image: redis:8
    restart: unless-stopped
    volumes: [kept:/data]
  extra:
    image: redis:8
    profiles: [extra]
volumes: {kept: {}}
"""


def install(host: Host) -> None:
    """Install docker-ce, docker-ce-cli, containerd.io and docker-compose-plugin on a host, and start the engine.

    Raises:
        AssertionError: with the host's words.
    """
    _run(host, "python3", "-", VERSION, stdin=_SCRIPT)


def use(host: Host) -> None:
    """Have a container of others on the engine, with something in its volume, and their COMPOSE_FILE in the environment of each login.

    Raises:
        AssertionError: with the host's words.
    """
    _write(host, "/etc/docker/daemon.json", json.dumps(DAEMON))
    _write(host, f"/etc/docker/certs.d/{MIRROR.host}/ca.crt", paths.CA_CERTIFICATE.read_text())
    _write(host, PROJECT, _COMPOSE)
    _run(host, "systemctl", "restart", "docker")
    _run(host, "docker", "compose", "--file", PROJECT, "up", "--detach", "--wait")
    _run(host, "docker", "exec", SERVICE, "redis-cli", "set", "theirs", "kept")
    _run(host, "docker", "exec", SERVICE, "redis-cli", "save")
    _write(host, "/etc/environment", "".join(f"{name}={value}\n" for name, value in ENVIRONMENT.items()))
    # Who logs in as root has these by itself; here it is a user with sudo.
    _write(host, "/etc/sudoers.d/environment", f'Defaults env_keep += "{" ".join(ENVIRONMENT)}"\n')


def state(host: Host) -> tuple[str, ...]:
    """Return what must not change: their containers with id and start, what their service holds, the engine's process and packages."""
    containers = _run(host, "docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", "label=com.docker.compose.project=other").split()
    started = [_run(host, "docker", "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", one).strip() for one in containers]
    value = _run(host, "docker", "exec", SERVICE, "redis-cli", "get", "theirs").strip()
    engine = _run(host, "systemctl", "show", "docker", "--property", "MainPID").strip()
    packages = _run(host, "dpkg-query", "--show", "docker-ce", "docker-ce-cli", "containerd.io", "docker-compose-plugin")
    return (*started, value, engine, packages, _run(host, "apt-mark", "showhold"))


def _write(host: Host, path: str, content: str) -> None:
    _run(host, "install", "-D", "--mode=0644", "/dev/stdin", path, stdin=content)


def _run(host: Host, *command: str, stdin: str = "") -> str:
    done = host.run(command, stdin=stdin)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


if __name__ == "__main__":
    machine = Host(sys.argv[1] if len(sys.argv) > 1 else hosts.DEFAULT)
    install(machine)
    use(machine)
