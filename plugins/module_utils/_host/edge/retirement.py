# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Releases that users no longer get, each stopped by a systemd unit of its own: no operator waits for its last requests.

With ``app_release_warm_seconds`` the unit begins that much later; a rollback until then finds the release running, and only switches.
The unit holds no lock.  Stages that hold the app's lock begin it, and take it back before they start or stop its release themselves.
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base import proc
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import run
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths, now, read_json, write_json
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge.drain import cut_warning, pause_after_switch, stop_release
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import settings_of
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.containers import running_releases
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

POLL_SECONDS = 0.1
# Of a release whose bundle is gone.
DRAIN_SECONDS = 0.5


def begin(paths: AppPaths, release: str, after: float = 0.0) -> bool:
    """Have a release stopped, now or in `after` seconds, and return at once.

    From here on it does not come back by itself, after a reboot least of all.  False where systemd does not take the order.
    """
    for container in docker.containers(paths.app, release):
        docker.keep_running(container["Id"], lasting=False)
    unit = unit_of(paths.app, release)
    run(["systemctl", "stop", f"{unit}.timer"])  # what was to happen later
    if _is_active(f"{unit}.service"):
        return True
    later = [f"--on-active={after:g}", "--timer-property=AccuracySec=1s"] if after else []
    program = [str(Path(sys.path[0]) / "fairlead"), "retire", "--app", paths.app, "--release", release]
    done = run(["systemd-run", "--quiet", "--collect", f"--unit={unit}", *later, *program])
    return done.code == 0


def is_under_way(app: str, release: str) -> bool:
    """Tell whether a unit stops the release, or will."""
    unit = unit_of(app, release)
    return _is_active(f"{unit}.timer", f"{unit}.service")


def start(candidate: Candidate) -> bool:
    """Start a release, and return whether it was found running.

    One that is being stopped has ended before it starts again.  One that was only to be stopped later serves on, unless a process of it
    was killed for memory meanwhile.

    Raises:
        ReleaseError: START_FAILED, VOLUME_FOREIGN.
    """
    _take_back(candidate.paths.app, candidate.id)
    container = candidate.container()
    if container is not None and container["State"]["Running"]:
        if not proc.killed_for_memory(container["State"].get("Pid", 0)):
            return True
        stop_release(candidate.paths.app, candidate.id)
    candidate.start()
    return False


def complete(paths: AppPaths) -> None:
    """Stop all releases but the live one, and wait for it: before the database changes under them."""
    live = read_route(paths)
    for release in running_releases(docker.containers(paths.app)):
        if release != live and is_under_way(paths.app, release):
            _take_back(paths.app, release)
            stop_release(paths.app, release, settings_of(paths, release))


def stop(paths: AppPaths, release: str) -> Dict[str, Any]:
    """Do what the unit is for, and return what is told of it.  Requests that were cut are noted for the next run."""
    told: Dict[str, Any] = {"app": paths.app, "release": release, "cut": 0}
    if read_route(paths) == release:
        return {**told, "live": True}
    began = time.monotonic()
    told["cut"] = drain(paths, release)
    told["seconds"] = round(time.monotonic() - began, 2)
    if told["cut"]:
        write_json(paths.cut(release), {"cut": told["cut"], "at": now()})
    return told


def drain(paths: AppPaths, release: str) -> int:
    """Stop a release that is not live, once requests that were routed just before the switch have arrived; return how many were cut."""
    live = read_route(paths)
    settings = settings_of(paths, live) if live else None
    pause_after_switch(paths.route, float(settings["drain_seconds"]) if settings else DRAIN_SECONDS)
    return stop_release(paths.app, release, settings_of(paths, release))


def cuts(paths: AppPaths) -> List[str]:
    """Return a warning for each release whose unit cut requests since the last run, once."""
    found = []
    for file in sorted(paths.home.glob(paths.cut("*").name)):
        with contextlib.suppress(ReleaseError):  # damaged: how many they were is not known any more
            noted = read_json(file, ("cut", "at")) or {}
            found.append(cut_warning(noted["cut"], [file.stem.partition("-")[2]], noted["at"]))
        file.unlink(missing_ok=True)
    return found


def unit_of(app: str, release: str) -> str:
    """Return the name of the unit that stops a release, without its kind."""
    return f"fairlead-retire-{app}-{release}"


def _take_back(app: str, release: str) -> None:
    """Have no unit that stops the release, or will; one that is at it comes to its end first."""
    unit = unit_of(app, release)
    run(["systemctl", "stop", f"{unit}.timer"])
    while _is_active(f"{unit}.service"):  # the engine kills what does not end
        time.sleep(POLL_SECONDS)


def _is_active(*units: str) -> bool:
    return run(["systemctl", "is-active", "--quiet", *units]).code == 0
