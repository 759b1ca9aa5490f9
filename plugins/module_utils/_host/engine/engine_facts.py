# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What there is of a container engine on a host, asked without changing anything."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import run
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.engine import PRODUCTS
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.engine_found import Container, Found
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

DAEMON = Path("/etc/docker/daemon.json")
PID = Path("/run/docker.pid")
SNAP = Path("/snap/docker")
PROC = Path("/proc")
HOME = "/opt/fairlead/"
# Some accounts have no sbin in their PATH.
PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INSTALL = ["apt-get", "--simulate", "--no-install-recommends", "install"]


def look(packages: Sequence[str]) -> Found:
    """Return what is on this host.

    Args:
        packages: names to look up in the package index, besides those that belong to an engine.

    Raises:
        ReleaseError: ENGINE_UNFIT when this is no relative of Debian, ENGINE_CONFLICT when daemon.json cannot be read.
    """
    if shutil.which("apt-get", path=PROGRAMS) is None:
        raise ReleaseError(
            "ENGINE_UNFIT",
            "this host has no apt-get; only Debian and its relatives are supported; nothing was changed",
            "use a host with Debian 13, or another relative of Debian with Docker Engine 25.0 or newer",
        )
    installed, held = installed_packages()
    told: Dict[str, Any] = {
        "packages": installed,
        "offered": candidates(run(["apt-cache", "policy", *sorted({*packages, *PRODUCTS})]).out),
        "held": held,
        "foreign": _foreign(installed),
        "daemon": read_daemon(),
    }
    program = shutil.which("dockerd", path=PROGRAMS)
    return Found(**told, **(_engine(program) if program and not told["foreign"] else {}))


def installed_packages() -> Tuple[Dict[str, str], List[str]]:
    """Return the version of each installed package, and the names of those that are held."""
    # One question for both: apt-mark takes half a second of CPU to say which are held.
    shown = run(["dpkg-query", "--show", "--showformat=${db:Status-Status} ${db:Status-Want} ${Package} ${Version}\n"]).out
    found = [line.split(" ", 3) for line in shown.splitlines()]
    there = [(wanted, name, version) for status, wanted, name, version in found if status == "installed"]
    return {name: version for dummy, name, version in there}, [name for wanted, name, dummy in there if wanted == "hold"]


def candidates(policy: str) -> Dict[str, str]:
    """Return the version that would be installed of each package that `apt-cache policy` tells of."""
    found = re.findall(r"(?m)^(\S+):\n +Installed: .*\n +Candidate: (\S+)$", policy)
    return {name: version for name, version in found if version != "(none)"}


def read_daemon() -> Dict[str, Any]:
    """Return the content of daemon.json; empty where there is none.

    Raises:
        ReleaseError: ENGINE_CONFLICT.
    """
    try:
        text = DAEMON.read_text(encoding="utf-8")
        content = json.loads(text) if text.strip() else {}
        if isinstance(content, dict):
            return content
        problem = "it is not an object"
    except FileNotFoundError:
        return {}
    except ValueError as error:
        problem = str(error)
    raise ReleaseError("ENGINE_CONFLICT", f"{DAEMON} is not valid JSON: {problem}; nothing was changed", f"fix {DAEMON} on the host")


def flags(command: Sequence[str]) -> FrozenSet[str]:
    """Return the names of the long options in a command."""
    return frozenset(word[2:].split("=")[0] for word in command if word.startswith("--"))


def simulate(packages: Sequence[str]) -> str:
    """Return what apt would do to install packages."""
    done = run([*INSTALL, *packages], merge=True)
    if done.code:
        raise ReleaseError(
            "ENGINE_PACKAGES",
            f"apt cannot install {', '.join(packages)}; nothing was changed",
            "see apt's output below",
            done.out.splitlines()[-10:],
        )
    return done.out


def is_ours(labels: Mapping[str, str]) -> bool:
    """Tell by its labels whether this collection started a container."""
    return docker.APP_LABEL in labels or labels.get("com.docker.compose.project.working_dir", "").startswith(HOME)


def _foreign(installed: Mapping[str, str]) -> Optional[str]:
    if "podman-docker" in installed:
        return "Podman as `docker` (podman-docker)"
    if SNAP.exists():
        return "Docker from a snap"
    return None


def _engine(program: str) -> Dict[str, Any]:
    command = _command_line()
    told: Dict[str, Any] = {
        "cli": shutil.which("docker", path=PROGRAMS) is not None,
        "compose": docker.compose_version() if shutil.which("docker", path=PROGRAMS) else None,
        "flags": flags(command),
    }
    try:
        version, info = docker.about()
        listed = docker.all_containers()
    except ReleaseError:
        words = run([program, "--version"]).out
        number = re.search(r"version (\S+?),", words)
        return {**told, "version": number[1] if number else "0", "silent": bool(command)}
    return {
        **told,
        "version": version["Version"],
        "runs": True,
        "data": info["DockerRootDir"],
        "swarm": (info.get("Swarm") or {}).get("LocalNodeState") == "active",
        "containers": [_container(one) for one in listed],
    }


def _container(listed: Mapping[str, Any]) -> Container:
    name = (listed.get("Names") or [listed["Id"]])[0].lstrip("/")
    return Container(name, is_ours(listed.get("Labels") or {}), listed["State"] == "running")


def _command_line() -> List[str]:
    """Return the words that the running engine was started with; none when it does not run."""
    try:
        words = (PROC / PID.read_text(encoding="ascii").strip() / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
    return words if words and words[0].endswith("dockerd") else []
