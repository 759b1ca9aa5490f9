# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release stopped after its last request, and the requests counted that its limits cut.  Private to this collection."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils import _docker

# The engine's own default.
DEFAULT_STOP_SECONDS = 10
SAMPLE_SECONDS = 0.1
KILLED = 137
PROC = Path("/proc")
# As the kernel writes states into /proc/net: of unix sockets, and of TCP.
UNIX_CONNECTED = "03"
TCP_ESTABLISHED = "01"


def pause_after_switch(route: Path, seconds: float) -> None:
    """Wait until requests that were routed just before the switch have arrived at the old release."""
    since_switch = time.time() - route.stat().st_mtime if route.exists() else 0.0
    # A clock that was set meanwhile must neither skip nor stretch this.
    time.sleep(min(max(seconds - since_switch, 0.0), seconds))


def stop_release(app: str, release: str, settings: Optional[Dict[str, Any]] = None) -> int:
    """Stop what runs of a release, in-flight requests first, also when its bundle is gone.

    Args:
        app: the app's name.
        release: the release's id.
        settings: the release's, to know where it listens and how long a request may take; None counts nothing.

    Returns:
        How many requests did not end within the release's limits.
    """
    return sum(_stop(container, settings) for container in _docker.containers(app, release) if container["State"]["Running"])


def _stop(container: Dict[str, Any], settings: Optional[Dict[str, Any]]) -> int:
    identifier = container["Id"]
    # What Compose made of app_release_stop_grace_seconds when the container was created.
    grace = container["Config"].get("StopTimeout") or DEFAULT_STOP_SECONDS
    started = seen = time.monotonic()
    last = in_flight = 0
    with ThreadPoolExecutor(1) as background:
        stopping = background.submit(_docker.stop, identifier, grace)
        while not stopping.done():
            busy = connections(container["State"].get("Pid", 0), settings) if settings is not None else None
            last = last if busy is None else busy
            if busy:
                in_flight, seen = busy, time.monotonic()
            time.sleep(SAMPLE_SECONDS)
        stopping.result()
    if settings is None or not in_flight:
        return 0
    stopped = _docker.container_state(identifier)
    # No request that may end takes that long after the stop signal; the app closes the others when its own limit is reached.
    too_long = seen - started >= float(settings.get("request_seconds", grace))
    if too_long:
        return in_flight
    return last if stopped and stopped["ExitCode"] == KILLED else 0


def connections(pid: int, settings: Dict[str, Any]) -> Optional[int]:
    """Count the connections to a release, from the kernel's view of its network namespace; None once the process is gone."""
    if settings["listen"] == "socket":
        return _count(pid, "unix", lambda fields: fields[-1].endswith("/api.sock") and fields[5] == UNIX_CONNECTED)
    port = f":{int(settings['port']):04X}"
    return _count(pid, "tcp", lambda fields: fields[1].endswith(port) and fields[3] == TCP_ESTABLISHED)


def _count(pid: int, table: str, counts: Callable[[List[str]], bool]) -> Optional[int]:
    try:
        lines = (PROC / str(pid) / "net" / table).read_text(encoding="ascii", errors="replace").splitlines()[1:]
    except OSError:
        return None
    return sum(1 for line in lines if counts(line.split()))
