"""Another program's port is told by name; the proxy's own is no conflict."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.provision import proxy_ports
from fakes import fails

NGINX = 'LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=12,fd=6),("nginx",pid=11,fd=6))\n'
ENGINE = """LISTEN 0 4096 0.0.0.0:80 0.0.0.0:* users:(("docker-proxy",pid=90,fd=8))
LISTEN 0 4096 [::]:80 [::]:* users:(("docker-proxy",pid=91,fd=8))
"""
UNKNOWN = "LISTEN 0 128 0.0.0.0:80 0.0.0.0:*\n"


def container(project: str, name: str, *ports: int) -> dict[str, Any]:
    """Return a container as the engine lists it."""
    labels = {"com.docker.compose.project": project} if project else {}
    return {"Names": [f"/{name}"], "Labels": labels, "Ports": [{"PrivatePort": 80, "PublicPort": port} for port in ports]}


EDGE, STOPPED_EDGE = container("edge", "edge-caddy-1", 80, 443), container("edge", "edge-caddy-1")


@pytest.mark.parametrize(
    ("containers", "listening", "users"),
    [
        ([], "", []),
        ([EDGE], ENGINE, []),
        ([STOPPED_EDGE], ENGINE, []),  # between two starts
        ([], NGINX, ["nginx (pid 11)", "nginx (pid 12)"]),
        ([STOPPED_EDGE], NGINX, ["nginx (pid 11)", "nginx (pid 12)"]),
        ([container("web", "web-traefik-1", 80)], "", ["web container web-traefik-1"]),
        ([container("", "traefik", 80)], ENGINE, ["container traefik", "docker-proxy (pid 90)", "docker-proxy (pid 91)"]),
        ([container("web", "web-traefik-1", 8080)], "", []),
        ([], UNKNOWN, [UNKNOWN.strip()]),
        ([], ENGINE, ["docker-proxy (pid 90)", "docker-proxy (pid 91)"]),  # of an engine's container that is not ours
        ([{"Names": ["/one"], "Labels": None, "Ports": None}], "", []),
    ],
)
def test_users_of_a_port(containers: list[dict[str, Any]], listening: str, users: list[str]) -> None:
    assert proxy_ports.users(80, containers, listening) == users


def test_all_conflicts_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "all_containers", list)
    monkeypatch.setattr(proxy_ports, "_run", lambda words: Finished(0, NGINX, ""))
    with fails("PORT_IN_USE") as caught:
        proxy_ports.run({"ports": [80, 443]}, False)
    assert "port 80 is used by nginx (pid 11), nginx (pid 12); port 443 is used by nginx" in caught.value.what


def test_free_ports_are_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "all_containers", list)
    monkeypatch.setattr(proxy_ports, "_run", lambda words: Finished(0, "", ""))
    assert proxy_ports.run({"ports": [80, 443]}, False) == {"changed": False}
