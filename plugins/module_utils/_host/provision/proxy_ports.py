# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who has the ports that the proxy publishes; what the proxy itself publishes is no conflict."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import run as _run
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import edge
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

# What holds a port for a container, where the engine uses one.
ENGINE_PROXY = "docker-proxy"
_PROJECT = "com.docker.compose.project"
_PROCESS = re.compile(r'"([^"]+)",pid=([0-9]+)')


def run(params: Dict[str, Any], check: bool) -> Dict[str, Any]:
    """Look who has each port.

    Raises:
        ReleaseError: PORT_IN_USE with all ports that others have; DOCKER_DOWN.
    """
    containers = docker.all_containers()
    conflicts = []
    for port in params["ports"]:
        by = users(port, containers, _run(["ss", "-Hltnp", f"sport = :{port}"]).out)
        conflicts += [f"port {port} is used by {', '.join(by)}"] if by else []
    if conflicts:
        raise ReleaseError(
            "PORT_IN_USE",
            f"{'; '.join(conflicts)}; nothing was started",
            "stop and disable that, or give the proxy another port (edge_proxy_http_port, edge_proxy_https_port), then run this again",
        )
    return {"changed": False}


def users(port: int, containers: Sequence[Mapping[str, Any]], listening: str) -> List[str]:
    """Return who else has a port; nothing where it is free, or the proxy's.

    Args:
        port: the port.
        containers: all of the engine's, as it lists them.
        listening: what ``ss -Hltnp`` prints of sockets that listen there.
    """
    publishers = [one for one in containers if any(port == published.get("PublicPort") for published in one.get("Ports") or [])]
    processes = sorted(set(_PROCESS.findall(listening)))
    if any(_is_proxys(one) for one in publishers):
        return []
    # A proxy that ends with an error again and again has its ports at one moment and not at the next.
    if not publishers and any(map(_is_proxys, containers)) and {name for name, pid in processes} == {ENGINE_PROXY}:
        return []
    found = [f"{_project(one)} container {one['Names'][0].lstrip('/')}".strip() for one in publishers]
    found += [f"{name} (pid {pid})" for name, pid in processes]
    return found or [line.strip() for line in listening.splitlines()]


def _project(container: Mapping[str, Any]) -> str:
    return str((container.get("Labels") or {}).get(_PROJECT, ""))


def _is_proxys(container: Mapping[str, Any]) -> bool:
    return _project(container) == edge.PROJECT
