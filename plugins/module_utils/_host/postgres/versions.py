# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which major version of PostgreSQL an image is, and whether the app's data fits it.  Decisions only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Mapping, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

# Since this major, the official images keep each major's data in a directory of its own, below the place that is mounted.
OWN_DIRECTORY_SINCE = 18
DATA = "/var/lib/postgresql/data"
PLAYBOOK = "playbooks/upgrade_postgres.yml"
USER = "postgres"
# Of the official images: those on Debian, and those on Alpine.
DEBIANS_OWNER, ALPINES_OWNER = "999:999", "70:70"


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


def _lies_in(path: str, directory: str) -> bool:
    return PurePosixPath(directory) in (PurePosixPath(path), *PurePosixPath(path).parents)
