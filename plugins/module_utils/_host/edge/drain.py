# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release stopped after its last request, and the requests counted that its limits cut."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Set

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base import proc
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import edge
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker

# The engine's own default.
DEFAULT_STOP_SECONDS = 10
SAMPLE_SECONDS = 0.1
KILLED = 137
# As the kernel writes states into /proc/net: of unix sockets, and of TCP.
UNIX_CONNECTED = "03"
TCP_ESTABLISHED = "01"


def pause_after_switch(route: Path, seconds: float) -> None:
    """Wait until requests that were routed just before the switch have arrived at the old release."""
    since_switch = time.time() - route.stat().st_mtime if route.exists() else 0.0
    # A clock that was set meanwhile must neither skip nor stretch this.
    time.sleep(min(max(seconds - since_switch, 0.0), seconds))


def stop_release(app: str, release: str, settings: Optional[Settings] = None) -> int:
    """Stop what runs of a release, in-flight requests first, also when its bundle is gone.

    Args:
        app: the app's name.
        release: the release's id.
        settings: the release's, to know where it listens and how long a request may take; None counts nothing.

    Returns:
        How many requests did not end within the release's limits.
    """
    return sum(_stop(container, settings) for container in docker.containers(app, release) if container["State"]["Running"])


def cut_warning(cut: int, releases: Sequence[str], at: str = "") -> str:
    """Return the warning about requests that a stop cut, at a time in UTC where that is not now."""
    when = f", at {at}," if at else ""
    return (
        f"CUT: {cut} requests to {', '.join(releases)}{when} had not ended after its worker's limit and were cut; "
        "raise app_release_worker_grace_seconds and app_release_stop_grace_seconds where such requests are meant to end"
    )


def _stop(container: Dict[str, Any], settings: Optional[Settings]) -> int:
    identifier = container["Id"]
    # What Compose made of app_release_stop_grace_seconds when the container was created.
    grace = container["Config"].get("StopTimeout") or DEFAULT_STOP_SECONDS
    started = seen = time.monotonic()
    last = in_flight = 0
    connected = Connections(container, settings) if settings is not None else None
    with ThreadPoolExecutor(1) as background:
        stopping = background.submit(docker.stop, identifier, grace)
        while not stopping.done():
            busy = connected.count() if connected else None
            last = last if busy is None else busy
            if busy:
                in_flight, seen = busy, time.monotonic()
            time.sleep(SAMPLE_SECONDS)
        stopping.result()
    if settings is None or not in_flight:
        return 0
    stopped = docker.container_state(identifier)
    # No request that may end takes that long after the stop signal; the app closes the others when its own limit is reached.
    too_long = seen - started >= float(settings.get("request_seconds", grace))
    if too_long:
        return in_flight
    return last if stopped and stopped["ExitCode"] == KILLED else 0


class Connections:
    """The connections to a release that is being stopped, from the kernel's tables.

    Args:
        container: `docker inspect` of the release.
        settings: the release's.
    """

    def __init__(self, container: Dict[str, Any], settings: Settings) -> None:
        self._pid: int = container["State"].get("Pid", 0)
        self._settings = settings
        self._socket = settings["listen"] == "socket"
        # The kernel lists an accepted unix socket in the network namespace of who connected: the proxy's.
        self._edge = edge.pid() if self._socket else 0
        self._processes = docker.processes(container["Id"]) if self._socket else []

    def count(self) -> Optional[int]:
        """Return how many there are now; None once the release is gone."""
        if not (proc.PROC / str(self._pid)).is_dir():
            return None
        return self._on_socket() if self._socket else self._on_port()

    def _on_socket(self) -> int:
        # The path is the same for every release; which are this one's is told by its processes' open files.
        own = {inode for process in self._processes for inode in _open_sockets(process)}
        lines = proc.table(self._edge, "unix")
        return sum(1 for f in lines if f[-1].endswith("/api.sock") and f[5] == UNIX_CONNECTED and f[6] in own)

    def _on_port(self) -> int:
        port = f":{int(self._settings['port']):04X}"
        return sum(1 for f in proc.table(self._pid, "tcp") if f[1].endswith(port) and f[3] == TCP_ESTABLISHED)


def _open_sockets(pid: int) -> Set[str]:
    """Return the inodes of a process's sockets; none when it has ended."""
    found = set()
    with contextlib.suppress(OSError):
        for file in (proc.PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                kind, dummy, inode = str(file.readlink()).partition(":")
                found |= {inode.strip("[]")} if kind == "socket" else set()
    return found
