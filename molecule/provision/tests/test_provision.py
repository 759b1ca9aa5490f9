"""A host after provisioning: what runs, what listens, what is closed."""

import json
import socket
import subprocess
from typing import Any

import pytest

from lab.story import App

OPEN = {22, 80, 443}
CLOSED = {2019, 2375, 5432, 6379, 8000}


def test_data_services_are_healthy(app: App) -> None:
    for service in ("postgres", "redis"):
        state = json.loads(app.on_host("docker", "inspect", f"provision-data-{service}-1"))[0]["State"]
        assert state["Health"]["Status"] == "healthy"


@pytest.mark.parametrize("port", sorted(OPEN | CLOSED))
def test_only_ssh_and_the_edge_listen_to_the_outside(app: App, port: int) -> None:
    with socket.socket() as probe:
        probe.settimeout(5)
        assert (probe.connect_ex((str(app.host.address), port)) == 0) == (port in OPEN)


def test_only_the_edge_publishes_ports(app: App) -> None:
    lines = app.on_host("docker", "ps", "--format", "{{.Names}} {{.Ports}}").splitlines()
    assert [line.split()[0] for line in lines if "0.0.0.0" in line] == ["edge-caddy-1"]


def test_the_data_network_leads_nowhere_else(app: App) -> None:
    network = json.loads(app.on_host("docker", "network", "inspect", "provision-data"))[0]
    assert network["Internal"]
    assert {c["Name"] for c in network["Containers"].values()} == {"provision-data-postgres-1", "provision-data-redis-1"}


def test_containers_are_confined(app: App) -> None:
    for name in ("provision-data-postgres-1", "provision-data-redis-1", "edge-caddy-1"):
        container = json.loads(app.on_host("docker", "inspect", name))[0]
        host = container["HostConfig"]
        assert container["Config"]["User"].split(":")[0] not in ("", "0", "root")
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and "no-new-privileges:true" in host["SecurityOpt"]
        assert set(host["CapAdd"] or []) <= {"CAP_NET_BIND_SERVICE", "NET_BIND_SERVICE"}
        assert host["Memory"] > 0 and host["NanoCpus"] > 0 and host["PidsLimit"] > 0


def test_the_proxy_hands_requests_to_the_route_and_nothing_else(app: App) -> None:
    adapted = app.on_host("docker", "exec", "edge-caddy-1", "caddy", "adapt", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile")
    assert '"dial":"unix//var/lib/fairlead/provision/{file./var/lib/fairlead/provision/route}/api.sock"' in adapted
    status, headers, _ = app.get("/")
    assert status == 502  # nothing is deployed yet
    assert "server" not in headers


def test_metrics_are_not_for_the_public(app: App) -> None:
    assert app.get("/metrics")[0] == 404


def test_redis_asks_for_its_password(app: App) -> None:
    answer = app.on_host("docker", "exec", "provision-data-redis-1", "redis-cli", "ping")
    assert "NOAUTH" in answer


def test_old_tls_is_refused(app: App) -> None:
    assert curl(app, "--tlsv1.0", "--tls-max", "1.1").returncode == 35


def test_large_headers_are_refused(app: App) -> None:
    done = curl(app, "--http1.1", "--output", "/dev/null", "--write-out", "%{http_code}", "--header", f"X-Large: {'x' * 60000}")
    assert done.stdout == "431"


def test_the_engine_runs_with_safe_settings(app: App, server: Any) -> None:
    assert server.service("docker").is_running and server.service("docker").is_enabled
    info = json.loads(app.on_host("docker", "info", "--format", "{{json .}}"))
    assert info["LiveRestoreEnabled"]
    assert any("no-new-privileges" in option for option in info["SecurityOptions"])


def test_containers_survive_a_restart_of_the_engine(app: App) -> None:
    started = states(app)
    app.on_host("systemctl", "restart", "docker")
    assert states(app) == started


def curl(app: App, *options: str) -> subprocess.CompletedProcess[str]:
    """Ask the app for its first page, from the host itself."""
    address = ("--resolve", f"{app.domain}:443:127.0.0.1", f"https://{app.domain}/")
    return app.host.run(["curl", "--silent", "--insecure", *options, *address])


def states(app: App) -> dict[str, str]:
    """When each container was started."""
    names = app.on_host("docker", "ps", "--format", "{{.Names}}").split()
    return {name: app.on_host("docker", "inspect", "--format", "{{.State.StartedAt}}", name) for name in names}
