# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which major version of PostgreSQL an image is, and which one the app's data belongs to."""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import run
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths, read_beneath, read_json
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import SERVICE
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

PULL_SECONDS = 900.0
# Since this major, the official images keep each major's data in a directory of its own, below the place that is mounted.
OWN_DIRECTORY_SINCE = 18
DATA = "/var/lib/postgresql/data"
PROJECT_LABEL = "com.docker.compose.project"
VOLUME_LABEL = "com.docker.compose.volume"
PLAYBOOK = "playbooks/upgrade_postgres.yml"
# A server's container writes the file that names its major.
VERSION_BYTES = 64
USER = "postgres"
# Of the official images: those on Debian, and those on Alpine.
DEBIANS_OWNER, ALPINES_OWNER = "999:999", "70:70"
ASK_SECONDS = 60.0
KEYS = ("from", "to", "visitors", "at")


@dataclass(frozen=True)
class Image:
    """An image of PostgreSQL.

    Args:
        name: with tag or digest.
        major: the server's version.
        mount: where its volume belongs. One that is mounted elsewhere would belong to root, or lie beside an anonymous one.
        data: the server's data directory, at or below `mount`.
    """

    name: str
    major: int
    mount: str
    data: str


@dataclass(frozen=True)
class Volume:
    """A volume with the data of a server.

    Args:
        name: of the volume.
        major: of the server that it belongs to, as the server itself noted it there.
        owner: user and group that the server ran as, by number.
    """

    name: str
    major: int
    owner: str = DEBIANS_OWNER


def read_image(name: str, config: Mapping[str, Any]) -> Image:
    """Return what an image says of itself.

    Args:
        name: of the image.
        config: as `docker image inspect` has it under `Config`.

    Raises:
        ReleaseError: CONFIG when it is not made like the official one.
    """
    environment = dict(line.partition("=")[::2] for line in config.get("Env") or [])
    major = re.match(r"\d+", environment.get("PG_MAJOR", ""))
    if major is None or not environment.get("PGDATA"):
        raise ReleaseError(
            "CONFIG",
            f"the image {name} does not say which PostgreSQL it is: PG_MAJOR and PGDATA in its environment, as in the official image",
            "set data_services_postgres_image to an official image, or one made from it",
        )
    data = environment["PGDATA"]
    above = [volume for volume in config.get("Volumes") or {} if _lies_in(data, volume)]
    return Image(name, int(major[0]), max(above, key=len, default=data), data)


def guessed_image(name: str, current: Optional[Volume]) -> Image:
    """Return what an image that is not here yet will be, as far as its tag says; good enough to tell what would be changed."""
    # postgres:17-alpine; but also pgvector:0.8.0-pg17.
    tag = re.search(r":[^/]*?pg(\d+)[^/]*$|:(\d+)[^/]*$", name.partition("@")[0])
    major = int(tag[1] or tag[2]) if tag else current.major if current else OWN_DIRECTORY_SINCE
    if major < OWN_DIRECTORY_SINCE:
        return Image(name, major, DATA, DATA)
    return Image(name, major, "/var/lib/postgresql", f"/var/lib/postgresql/{major}/docker")


def chosen(app: str, image: Image, current: Optional[Volume]) -> str:
    """Return the name of the volume that a server of this image has to use: the present one if it fits, or one of its own."""
    return current.name if current and current.major == image.major else f"{base_name(app)}-{image.major}"


def refuse_other_major(image: Image, current: Optional[Volume]) -> None:
    """Do nothing when the data fits the image.

    Raises:
        ReleaseError: PG_MAJOR_UPGRADE.
    """
    if current is None or current.major == image.major:
        return
    what = f"the data in volume {current.name} belongs to PostgreSQL {current.major}; {image.name} is PostgreSQL {image.major}"
    refuse_downgrade(image, current)
    raise ReleaseError(
        "PG_MAJOR_UPGRADE",
        f"{what}, which cannot read it; nothing was changed",
        f"move the data by a dump: ansible-playbook {PLAYBOOK} -e data_services_postgres_image={image.name}",
    )


def refuse_downgrade(image: Image, current: Volume) -> None:
    """Do nothing when the image is the same major or a later one.

    Raises:
        ReleaseError: PG_MAJOR_UPGRADE.
    """
    if image.major < current.major:
        raise ReleaseError(
            "PG_MAJOR_UPGRADE",
            f"the data in volume {current.name} belongs to PostgreSQL {current.major}; {image.name} is PostgreSQL {image.major}, "
            "and there is no way back to an earlier one; nothing was changed",
            f"set data_services_postgres_image to an image of PostgreSQL {current.major}, such as postgres:{current.major}",
        )


def guessed_owner(name: str) -> str:
    """Return whom the server of an image that is not here yet will run as, as far as its name says."""
    return ALPINES_OWNER if "alpine" in name else DEBIANS_OWNER


def refuse_other_owner(image: Image, owner: str, current: Optional[Volume]) -> None:
    """Do nothing when the image's server runs as the user whose data it is.

    Raises:
        ReleaseError: CONFIG.
    """
    if current is None or current.major != image.major or current.owner.split(":")[0] == owner.split(":")[0]:
        return
    raise ReleaseError(
        "CONFIG",
        f"the data in volume {current.name} belongs to user {current.owner}; the server of {image.name} runs as {owner}. Images on Debian "
        "and on Alpine also sort text differently, so that indexes of the one are wrong for the other; nothing was changed",
        f"set data_services_postgres_image to an image whose user {USER} is {current.owner}; "
        f"to change over, take a later major as well: {PLAYBOOK}",
    )


def base_name(app: str) -> str:
    """Return what the names of the app's volumes begin with."""
    return f"{app}-data_postgres"


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
    assert image is not None
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
        raise ReleaseError("DOCKER_FAILED", f"the volume {name} cannot be made", "see the engine's words", done.err.splitlines()[-5:])


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


def _lies_in(path: str, directory: str) -> bool:
    return PurePosixPath(directory) in (PurePosixPath(path), *PurePosixPath(path).parents)


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
