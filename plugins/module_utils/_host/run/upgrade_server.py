# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The server that fills a new volume while a major version of PostgreSQL is upgraded."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import List

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import run
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths, write_atomically
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import (
    versions,
    volume,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import SERVICE, Database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.versions import Image, Volume
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

PASSWORD = "/run/secrets/postgres_password"
SHOWN_LINES = 20
# Time for a server's shutdown, which writes everything out.
STOP_SECONDS = 300
START_SECONDS = 120.0
READY_SECONDS = 300.0
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Move:
    """From which volume to which.

    Args:
        paths: the app's files.
        old: the volume that has the data.
        new: name of the volume that gets it.
        image: of the server for it.
    """

    paths: AppPaths
    old: Volume
    new: str
    image: Image

    @property
    def container(self) -> str:
        """Name of the container in which the new volume is filled."""
        return container_name(self.paths)


def container_name(paths: AppPaths) -> str:
    """Return the name of the container in which a new volume is filled."""
    return f"{paths.app}-data-{SERVICE}-upgrade"


def start(move: Move, old: Database) -> Database:
    """Start a server on the new volume that nobody can reach but by its socket."""
    owner = volume.owner_of(move.image.name, versions.USER)
    secret = _lend_password(move.paths, owner)
    environment = {"POSTGRES_DB": old.name, "POSTGRES_USER": old.user, "POSTGRES_PASSWORD_FILE": PASSWORD, "PGDATA": move.image.data}
    mounts = (f"type=volume,source={move.new},target={move.image.mount}", f"type=bind,source={secret},target={PASSWORD},readonly")
    docker.remove(move.container)
    done = run(
        [
            *("docker", "run", "--detach", "--init", "--name", move.container, "--network", "none", "--user", owner, "--read-only"),
            *("--cap-drop=ALL", "--security-opt=no-new-privileges", "--shm-size=128m", "--stop-timeout", str(STOP_SECONDS)),
            *("--tmpfs", f"/run/postgresql:mode=0770,uid={owner.replace(':', ',gid=')}", "--tmpfs", "/tmp:mode=1777"),
            *(word for mount in mounts for word in ("--mount", mount)),
            *(word for name, value in environment.items() for word in ("--env", f"{name}={value}")),
            *(move.image.name, "postgres"),
        ],
        START_SECONDS,
    )
    if done.code:
        raise not_started(move.container, done.err.splitlines())
    return Database(old.app, old.name, old.user, old.migrator, move.container, container=move.container)


def _lend_password(paths: AppPaths, owner: str) -> Path:
    """Write a copy of the first start's password that the new server can read: it may run as another user than the old one."""
    password = (paths.home / "data" / "secrets" / "postgres_password").read_text(encoding="utf-8")
    write_atomically(lent(paths), password, 0o400, int(owner.split(":")[0]))
    return lent(paths)


def lent(paths: AppPaths) -> Path:
    return paths.home / "data" / "secrets" / "postgres_password.upgrade"


def await_ready(server: Database) -> None:
    """Wait until the server answers over TCP: while it makes its first database, it only listens at its socket."""
    deadline = time.monotonic() + READY_SECONDS
    asked = ["docker", "exec", server.title, "pg_isready", "--quiet", "--host=127.0.0.1", f"--username={server.user}"]
    while run(asked).code:
        state = docker.container_state(server.title)
        if state is None or not state["Running"] or time.monotonic() > deadline:
            raise not_started(server.title, [])
        time.sleep(POLL_SECONDS)


def stop(container: str) -> None:
    """Stop the new server so that all it has is on its disk, and take its container away."""
    docker.stop(container, STOP_SECONDS)
    state = docker.container_state(container)
    if state is None or state["ExitCode"] != 0:
        code = "unknown" if state is None else state["ExitCode"]
        raise ReleaseError(
            "UPGRADE_FAILED",
            f"the new server did not shut down cleanly (exit code {code})",
            "see its last lines below",
            docker.log_tail(container, SHOWN_LINES),
        )
    docker.remove(container)


def not_started(container: str, words: List[str]) -> ReleaseError:
    lines = words or docker.log_tail(container, SHOWN_LINES)
    return ReleaseError("UPGRADE_FAILED", "the new server does not start", "see its last lines below", lines)
