# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host must have before a release may start; all findings at once."""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base import limits
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import edge
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import site as _site
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

EDGE_SECONDS = 3.0
MEMORY = Path("/proc/meminfo")
# The data services that Fairlead runs, and what their absence is called.
DATA_CODES = {"postgres": "DB_UNREACHABLE", "redis": "REDIS_UNREACHABLE"}

Findings = List[ReleaseError]


def look(paths: AppPaths, settings: Settings, live: Optional[Dict[str, Any]]) -> Findings:
    """Look for everything that would make a release fail later.

    Args:
        paths: the app's files.
        settings: of the release to come.
        live: `docker inspect` of the live release's container; None when nothing is live.
    """
    findings = _directories(paths)
    try:
        docker.engine()
    except ReleaseError as error:
        return [error, *findings]
    findings += _compose() + _networks(settings) + _data_services(paths, settings)
    findings += _memory(settings, live)
    return findings or _edge_listens(settings)


def require_host(paths: AppPaths, settings: Settings) -> None:
    """Check that there is a host to look at: the app's directories, and an engine that answers.

    Args:
        paths: the app's files.
        settings: of the release to come.

    Raises:
        ReleaseError: NOT_PROVISIONED, COMMAND_MISSING or DOCKER_DOWN, with all else that `look` finds.
    """
    if _directories(paths) or _finding(docker.engine):
        raise_all(look(paths, settings, None))


def site(paths: AppPaths, settings: Settings, release: Optional[str] = None) -> Findings:
    """Look whether the proxy's site for the app fits a release.

    Args:
        paths: the app's files.
        settings: of the release to come.
        release: its id when it is an earlier one; None for a new one.
    """
    present = _site.read_site(paths.app)
    problem = present and _site.mismatch(present, settings, paths.maintenance.is_file(), release)
    return [problem] if problem else []


def raise_all(findings: Findings) -> None:
    """Fail when something was found.

    Raises:
        ReleaseError: see `combined`.
    """
    if findings:
        raise combined(findings)


def combined(findings: Findings) -> ReleaseError:
    """Return the only finding, or PREFLIGHT with all of them."""
    if len(findings) == 1:
        return findings[0]
    return ReleaseError(
        "PREFLIGHT",
        f"this host is not ready for a release: {len(findings)} problems",
        "fix each problem, then run again",
        [line for f in findings for line in (f"{f.code}: {f.what}. To do: {f.todo}", *(f"  {detail}" for detail in f.details))],
    )


def disk(settings: Settings, live_image: Optional[str]) -> Optional[ReleaseError]:
    """Say that the engine has no room for one more image; None when it has.

    Args:
        settings: of the release to come.
        live_image: the live release's image, which tells how large the next may be.
    """
    data = docker.engine().data
    space = os.statvfs(data)
    size = (docker.image_size(live_image) if live_image else None) or 0
    inodes = space.f_favail if space.f_files else None
    problem = limits.disk_problem(space.f_bavail * space.f_frsize, int(settings["disk_megabytes"]), size, inodes)
    if problem is None:
        return None
    return ReleaseError(
        "DISK_SPACE",
        f"no room for another image in {data}: {problem}",
        "free space there: docker system df, docker image prune; or lower app_release_disk_megabytes where images are small",
    )


def platform(image: str, platforms: List[Tuple[str, str]]) -> Optional[ReleaseError]:
    """Say that an image was not built for this host; None when it was, or the registry does not tell."""
    mine = docker.engine().platform
    if not platforms or mine in platforms:
        return None
    built = ", ".join("/".join(each) for each in platforms)
    return ReleaseError(
        "IMAGE_PLATFORM", f"{image} was built for {built}, this host is {'/'.join(mine)}", "build and push it for this host's platform too"
    )


def warnings(settings: Settings, controller_clock: Optional[float]) -> List[str]:
    """Return what does not stop a release and should be known all the same.

    Args:
        settings: of the release to come.
        controller_clock: the controller's time in seconds since 1970; None when it was not told.
    """
    clock = limits.clock_warning(controller_clock, time.time()) if controller_clock else None
    found = [clock, edge.certificate_problem(settings), edge.links_problem()]
    if not docker.engine().live_restore:
        found.append("LIVE_RESTORE: the engine runs without live-restore, so its next restart stops the app; run playbooks/provision.yml")
    return [warning for warning in found if warning]


def shallow_readiness(settings: Settings) -> List[str]:
    """Return a warning where readiness is asked at a path that tells nothing of the app's database."""
    path = settings["ready_path"]
    if path != settings["live_path"]:
        return []
    return [
        f"READY_IS_LIVE: app_release_ready_path and app_release_live_path are both {path}, so a release that cannot reach its database"
        " goes live; set app_release_ready_path to a path that asks the database"
    ]


def require_directories(paths: AppPaths) -> None:
    """Check that provisioning made the app's directories.

    Raises:
        ReleaseError: NOT_PROVISIONED.
    """
    missing = [str(p) for p in (paths.home, paths.route.parent) if not p.is_dir()]
    if missing:
        raise ReleaseError(
            "NOT_PROVISIONED",
            f"this host is not prepared for {paths.app}: {', '.join(missing)} missing",
            "run playbooks/provision.yml for this host first",
        )


def _finding(check: Callable[[], object]) -> Findings:
    try:
        check()
    except ReleaseError as error:
        return [error]
    return []


def _directories(paths: AppPaths) -> Findings:
    return _finding(lambda: require_directories(paths))


def _compose() -> Findings:
    if docker.compose_version() is not None:
        return []
    return [ReleaseError("COMMAND_MISSING", "Docker's Compose plugin is not installed", "run playbooks/provision.yml")]


def _networks(settings: Settings) -> Findings:
    missing = docker.missing_networks(settings["networks"])
    if not missing:
        return []
    return [
        ReleaseError(
            "NETWORK_MISSING",
            f"network {', '.join(missing)} does not exist here",
            "run playbooks/provision.yml, or set app_release_networks when the data services are elsewhere",
        )
    ]


def _data_services(paths: AppPaths, settings: Settings) -> Findings:
    """Look at the data services that Fairlead runs here; those elsewhere are the readiness check's to judge."""
    project = f"{paths.app}-data"
    if project not in settings["networks"]:
        return []
    findings = []
    for container in docker.project_containers(project):
        service, state = container["Config"]["Labels"].get("com.docker.compose.service"), container["State"]
        health = (state.get("Health") or {}).get("Status", "")
        if service in DATA_CODES and (not state["Running"] or health == "unhealthy"):
            how = f"{state['Status']} (exit code {state['ExitCode']})" if not state["Running"] else health
            findings.append(
                ReleaseError(
                    DATA_CODES[service],
                    f"{service} ({container['Name'].lstrip('/')}) is {how}",
                    f"look at docker logs {container['Name'].lstrip('/')}, then: docker compose --project-name {project} start",
                )
            )
    return findings


def _memory(settings: Settings, live: Optional[Dict[str, Any]]) -> Findings:
    found = re.search(r"^MemAvailable: +([0-9]+) kB$", MEMORY.read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        return []  # kernels before 3.14
    uses = docker.memory_used(live["Id"]) if live and live["State"]["Running"] else None
    problem = limits.memory_problem(int(found[1]) * 1024, uses, int(settings["memory_bytes"]))
    if problem is None:
        return []
    return [ReleaseError("MEMORY", f"no memory for a second release: {problem}", "free memory on this host, or give it more")]


def _edge_listens(settings: Settings) -> Findings:
    address = (settings["public_address"], int(settings["public_port"]))
    try:
        socket.create_connection(address, EDGE_SECONDS).close()
    except OSError as error:
        return [_proxy_down(f"no TLS proxy listens at {address[0]}:{address[1]} ({error}); {edge.state()}")]
    # The engine keeps the port of a container that fails at each start open in between.
    return [_proxy_down(f"the proxy ends with an error at each start: {edge.state()}")] if edge.is_failing() else []


def _proxy_down(what: str) -> ReleaseError:
    todo = (
        "see docker logs edge-caddy-1; run playbooks/provision.yml, or start it: docker compose --project-name edge start; "
        "where it listens elsewhere, correct app_release_public_address and app_release_public_port"
    )
    return ReleaseError("PROXY_DOWN", what, todo)
