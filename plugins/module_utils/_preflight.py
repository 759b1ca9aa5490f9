# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host must have before a release may start; all findings at once.  Private to this collection."""

from __future__ import annotations

import socket
from typing import Any, Dict, List

from ansible_collections.fairlead.fastapi.plugins.module_utils import _docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._files import AppPaths

EDGE_SECONDS = 3.0


def check(paths: AppPaths, settings: Dict[str, Any]) -> None:
    """Look for everything that would make a release fail later.

    Raises:
        ReleaseError: with the only finding's code, or PREFLIGHT with all of them.
    """
    findings = _engine(settings) + _directories(paths)
    if not findings:
        findings = _edge(settings)
    if len(findings) == 1:
        raise findings[0]
    if findings:
        raise ReleaseError(
            "PREFLIGHT",
            f"this host is not ready for a release, for {len(findings)} reasons",
            "mend each, then run this again",
            [f"{f.code}: {f.what}. To do: {f.todo}" for f in findings],
        )


def _engine(settings: Dict[str, Any]) -> List[ReleaseError]:
    try:
        _docker.server_version()
    except ReleaseError as error:
        return [error]
    findings = []
    if _docker.compose_version() is None:
        findings.append(ReleaseError("COMMAND_MISSING", "Docker's Compose plugin is not installed", "run playbooks/provision.yml"))
    missing = _docker.missing_networks(settings["networks"])
    if missing:
        findings.append(
            ReleaseError(
                "NETWORK_MISSING",
                f"network {', '.join(missing)} does not exist here",
                "run playbooks/provision.yml, or set app_release_networks when the data services are elsewhere",
            )
        )
    return findings


def _directories(paths: AppPaths) -> List[ReleaseError]:
    try:
        require_directories(paths)
    except ReleaseError as error:
        return [error]
    return []


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


def _edge(settings: Dict[str, Any]) -> List[ReleaseError]:
    address = (settings["public_address"], int(settings["public_port"]))
    try:
        socket.create_connection(address, EDGE_SECONDS).close()
    except OSError as error:
        return [
            ReleaseError(
                "EDGE_DOWN",
                f"no TLS proxy listens at {address[0]}:{address[1]} ({error})",
                "run playbooks/provision.yml, or start it: docker compose --project-name edge start",
            )
        ]
    return []
