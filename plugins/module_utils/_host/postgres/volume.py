# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which major version of PostgreSQL an image is, and which one the app's data belongs to."""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import run
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths, read_beneath, read_json
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import SERVICE
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.versions import (
    DEBIANS_OWNER,
    Image,
    Volume,
    base_name,
    read_image,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

PULL_SECONDS = 900.0
PROJECT_LABEL = "com.docker.compose.project"
VOLUME_LABEL = "com.docker.compose.volume"
# A server's container writes the file that names its major.
VERSION_BYTES = 64
ASK_SECONDS = 60.0
KEYS = ("from", "to", "visitors", "at")


def record(paths: AppPaths) -> Path:
    """Return where an upgrade that has begun is written down."""
    return paths.home / "data" / "upgrade.json"


def begun(paths: AppPaths) -> Optional[Dict[str, Any]]:
    """Return the upgrade that was begun here and not ended, or None.

    Raises:
        ReleaseError: STATE_CORRUPT.
    """
    return read_json(record(paths), KEYS)


def find_image(name: str) -> Optional[Image]:
    """Return what an image on this host says of itself, or None when it is not here.

    Raises:
        ReleaseError: CONFIG, or DOCKER_DOWN.
    """
    found = _inspect("image", name)
    return read_image(name, found["Config"]) if found else None


def fetch(name: str, variable: str) -> None:
    """Fetch an image.

    Args:
        name: with tag or digest.
        variable: the one that names it, for the message.

    Raises:
        ReleaseError: IMAGE_NOT_FOUND.
    """
    done = run(["docker", "pull", "--quiet", name], PULL_SECONDS)
    if done.code:
        todo = f"check {variable}, and that this host reaches its registry"
        raise ReleaseError("IMAGE_NOT_FOUND", f"the image {name} cannot be fetched", todo, done.err.strip().splitlines()[-5:])


def pull(name: str) -> Image:
    """Fetch an image and return what it says of itself.

    Raises:
        ReleaseError: IMAGE_NOT_FOUND when it cannot be fetched, CONFIG.
    """
    fetch(name, "data_services_postgres_image")
    image = find_image(name)
    if image is None:
        raise ReleaseError("IMAGE_NOT_FOUND", f"the image {name} was fetched and is gone again", "run this again")
    return image


def owner_of(image: str, user: str) -> str:
    """Return the numbers of user and group that a user has in an image, which must be on this host.

    Raises:
        ReleaseError: CONFIG when the image has no such user.
    """
    confined = ("--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
    done = run(["docker", "run", "--rm", *confined, "--entrypoint=id", image, user], ASK_SECONDS)
    found = re.match(r"uid=(\d+)\S* gid=(\d+)", done.out)
    if found is None:
        raise ReleaseError(
            "CONFIG",
            f"the image {image} does not have the user {user}, as whom its server is run",
            "use an official image, or one made from it",
            (done.err or done.out).splitlines()[-5:],
        )
    return f"{found[1]}:{found[2]}"


def find_container(app: str) -> Optional[Dict[str, Any]]:
    """Return `docker inspect` of the container that the app's PostgreSQL has, running or not."""
    filters = [f"label={PROJECT_LABEL}={app}-data", f"label=com.docker.compose.service={SERVICE}"]
    listed = _lines("ps", "--all", "--quiet", "--no-trunc", *(word for one in filters for word in ("--filter", one)))
    return _inspect("container", listed[0]) if listed else None


def find_volume(app: str) -> Optional[Volume]:
    """Return the volume that has the app's data, or None when there is none.

    It is the one that the server's container has; where there is no container, the one of the latest major.

    Raises:
        ReleaseError: DOCKER_DOWN.
    """
    container = find_container(app)
    if container is not None:
        mounts = [mount["Name"] for mount in container["Mounts"] if mount["Type"] == "volume" and mount.get("Name")]
        volumes = [volume for volume in map(_read, mounts) if volume is not None]
    else:
        listed = _lines("volume", "ls", "--quiet", "--filter", f"name={base_name(app)}")
        ours = re.compile(re.escape(base_name(app)) + r"(-\d+)?")
        volumes = [volume for volume in map(_read, filter(ours.fullmatch, listed)) if volume is not None]
    return max(volumes, key=lambda volume: volume.major, default=None)


def create(app: str, name: str) -> None:
    """Make an empty volume that Compose takes for its own.

    Raises:
        ReleaseError: DOCKER_FAILED.
    """
    labels = (f"{PROJECT_LABEL}={app}-data", f"{VOLUME_LABEL}={SERVICE}")
    done = run(["docker", "volume", "create", *(f"--label={label}" for label in labels), name])
    if done.code:
        raise ReleaseError(
            "DOCKER_FAILED", f"the volume {name} cannot be made", "see the engine's output below", done.err.splitlines()[-5:]
        )


def remove(name: str) -> None:
    """Remove a volume; no error when it is gone.

    Raises:
        ReleaseError: DOCKER_FAILED when a container uses it.
    """
    done = run(["docker", "volume", "rm", name])
    if done.code and _inspect("volume", name):
        raise ReleaseError("DOCKER_FAILED", f"the volume {name} cannot be removed", f"docker volume rm {name}", done.err.splitlines()[-5:])


def owner_in(name: str) -> str:
    """Return user and group that the data in a volume belongs to."""
    found = _inspect("volume", name)
    return read_owner(Path(found["Mountpoint"])) if found else DEBIANS_OWNER


def exists(name: str) -> bool:
    """Tell whether there is a volume of this name."""
    return _inspect("volume", name) is not None


def read_major(directory: Path) -> Optional[int]:
    """Return the major that the data in a volume belongs to, or None when there is none."""
    for name in _versions(directory):
        if found := re.match(rb"[0-9]+", read_beneath(directory, name, VERSION_BYTES) or b""):
            return int(found[0])
    return None


def read_owner(directory: Path) -> str:
    """Return user and group that the data in a volume belongs to."""
    for name in _versions(directory):
        with contextlib.suppress(OSError):
            found = os.lstat(directory / name)  # the server's container may have put a link there
            return f"{found.st_uid}:{found.st_gid}"
    return DEBIANS_OWNER


def _versions(directory: Path) -> List[str]:
    """Return the places in a volume where images keep the file that names its major, beneath it."""
    names = sorted((found.name for found in directory.iterdir()), reverse=True) if directory.is_dir() else []
    return ["PG_VERSION", *(f"{name}/docker/PG_VERSION" for name in names)]


def _read(name: str) -> Optional[Volume]:
    found = _inspect("volume", name)
    if found is None:
        return None
    directory = Path(found["Mountpoint"])
    major = read_major(directory)
    return None if major is None else Volume(name, major, read_owner(directory))


def _inspect(kind: str, name: str) -> Optional[Dict[str, Any]]:
    done = run(["docker", kind, "inspect", name])
    if done.code:
        _refuse_silence(done.err)
        return None
    found: List[Dict[str, Any]] = json.loads(done.out)
    return found[0]


def _lines(*arguments: str) -> Sequence[str]:
    done = run(["docker", *arguments])
    _refuse_silence(done.err if done.code else "")
    return done.out.split()


def _refuse_silence(words: str) -> None:
    if "Cannot connect to the Docker daemon" in words or "docker daemon is not running" in words:
        raise ReleaseError("DOCKER_DOWN", "the Docker Engine does not answer", "systemctl status docker", words.splitlines()[-1:])
