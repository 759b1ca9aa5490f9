# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's own volumes on a host, and what its image expects to be kept."""

from __future__ import annotations

import json
import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes import volume_tree
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

SOCKET_DIRECTORY = "/run/fairlead"
# Nobody but the app's user has any business in it.
MODE = 0o700


@dataclass(frozen=True)
class AppVolume:
    """One entry of `app_volumes`.

    Args:
        app: the app's name.
        name: the volume's name within the app.
        path: where containers see it.
        backup: whether backups have a copy of it.
        exclusive: whether only one release may have it at a time.
        before_backup: command that is run in the live container before it is copied; empty for none.
    """

    app: str
    name: str
    path: str
    backup: bool = False
    exclusive: bool = False
    before_backup: Tuple[str, ...] = ()

    @property
    def docker_name(self) -> str:
        """The volume's name in the Docker Engine."""
        return f"{self.app}-{self.name}"


def of(app: str, settings: Settings) -> List[AppVolume]:
    """Return the volumes of a release; releases from before there were any have none."""
    return [
        AppVolume(
            app,
            entry["name"],
            entry["path"],
            bool(entry.get("backup")),
            bool(entry.get("exclusive")),
            tuple(entry.get("before_backup") or ()),
        )
        for entry in settings.get("volumes", [])
    ]


def unmapped(declared: Iterable[str], settings: Settings) -> List[str]:
    """Return the paths that an image declares as VOLUME and that nothing is mounted at.

    A volume at the directory above does not help: Docker would mount an anonymous one over a part of it.

    Args:
        declared: paths, as the image has them.
        settings: of the release.
    """
    mounted = {entry["path"] for entry in settings.get("volumes", [])}
    mounted |= {_normal(entry.partition(":")[0]) for entry in settings.get("tmpfs", [])}
    if settings["listen"] == "socket":
        mounted.add(SOCKET_DIRECTORY)
    return sorted({_normal(path) for path in declared} - mounted)


def _normal(path: str) -> str:
    return posixpath.normpath(f"/{path.lstrip('/')}")


def unmapped_problem(title: str, image: str, settings: Settings, live: Optional[Mapping[str, Any]] = None) -> Optional[ReleaseError]:
    """Say which volumes of an image would be lost with each release; None when there is none.

    Args:
        title: of the release, for the message.
        image: its reference; it must be on this host.
        settings: of the release.
        live: `docker inspect` of the live release's container, which may have files there already.
    """
    paths = unmapped(docker.image_volumes(image), settings)
    if not paths:
        return None
    return ReleaseError(
        "VOLUME_UNMAPPED",
        f"{title} declares VOLUME {', '.join(paths)}, and nothing is mounted there: what the app writes to it would be lost with the next "
        "deploy",
        "set in your inventory (group_vars/all/main.yml) what is to become of it; to keep it: "
        f"{volumes_line(settings, paths)}; or, where none of it is worth keeping: {tmpfs_line(settings, paths)}",
        _kept_anonymously(live or {}, paths),
    )


def _kept_anonymously(container: Mapping[str, Any], paths: Sequence[str]) -> List[str]:
    mounts = [mount for mount in container.get("Mounts") or [] if mount.get("Type") == "volume" and mount["Destination"] in paths]
    return [
        f"the live release has {mount['Destination']} in the anonymous volume {mount['Source']}, which goes when that release is removed: "
        "copy what is needed into the new volume (cp --archive, as root) once playbooks/provision.yml has made it"
        for mount in mounts
    ]


def volumes_line(settings: Settings, paths: Sequence[str]) -> str:
    """Return the line of YAML that keeps these paths as well."""
    entries = [dict(entry) for entry in settings.get("volumes", [])]
    for path in paths:
        name, number = _name_for(path), 1
        while any(entry["name"] == name for entry in entries):
            number += 1
            name = f"{_name_for(path)}-{number}"
        entries.append({"name": name, "path": path, "backup": True})
    shown = ", ".join("{" + ", ".join(f"{key}: {_yaml(value)}" for key, value in entry.items()) + "}" for entry in entries)
    return f"app_volumes: [{shown}]"


def tmpfs_line(settings: Settings, paths: Sequence[str]) -> str:
    """Return the line of YAML that keeps these paths in memory, for as long as a container lives."""
    return f"app_release_tmpfs: [{', '.join([*settings.get('tmpfs', []), *paths])}]"


def _yaml(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _name_for(path: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", posixpath.basename(path).lower()).strip("-")[:20].rstrip("-")
    return name if name and name[0].isalpha() else "data"


def ensure(app: str, settings: Settings) -> List[AppVolume]:
    """Have the volumes of a release on this host, empty ones owned by the app's user; return those that were made now.

    Raises:
        ReleaseError: VOLUME_FOREIGN when a volume of that name is not this app's; DOCKER_FAILED.
    """
    made = []
    for volume in of(app, settings):
        if docker.volume(volume.docker_name) is None:
            docker.create_volume(volume.docker_name, app)
            made.append(volume)
        place = directory(volume)
        try:
            _own_if_empty(place, settings["user"])
        except OSError as error:
            raise missing(volume, f"{place}: {error.strerror}") from error
    return made


def directory(volume: AppVolume) -> Path:
    """Return where a volume's files lie on this host.

    Raises:
        ReleaseError: VOLUME_FOREIGN when it is another app's or not a plain directory of this host; VOLUME_MISSING.
    """
    found = docker.volume(volume.docker_name)
    if found is None:
        raise missing(volume, "there is none of that name")
    owner = (found.get("Labels") or {}).get(docker.APP_LABEL, volume.app)
    plain = found["Driver"] == "local" and not found.get("Options")
    if owner != volume.app or not plain:
        why = f"belongs to the app {owner}" if owner != volume.app else f"is of the driver {found['Driver']} with options of its own"
        todo = f"choose another name than {volume.name} in app_volumes"
        raise ReleaseError("VOLUME_FOREIGN", f"the volume {volume.docker_name} {why}", todo)
    return Path(found["Mountpoint"])


def missing(volume: AppVolume, why: str) -> ReleaseError:
    """Return the failure of a volume that is not there."""
    return ReleaseError(
        "VOLUME_MISSING",
        f"the volume {volume.docker_name}, which the app has at {volume.path}, is not on this host: {why}",
        "playbooks/restore.yml brings back the last backup of it; the next deploy makes an empty one where there is none",
    )


def _own_if_empty(path: Path, user: str) -> None:
    uid, dummy, gid = user.partition(":")
    # By its handle: whatever a container does meanwhile, nothing else is changed.
    handle = os.open(path, volume_tree.DIRECTORY)
    try:
        with os.scandir(handle) as entries:
            empty = next(entries, None) is None
        if empty:
            os.fchown(handle, int(uid), int(gid))
            os.fchmod(handle, MODE)
    finally:
        os.close(handle)


def warnings(app: str, made: Sequence[AppVolume], settings: Settings, live: Optional[Settings]) -> List[str]:
    """Return what should be known before a release gets its volumes.

    Args:
        app: the app's name.
        made: what `ensure` made for it.
        settings: of the release.
        live: settings of the live release; None when nothing is live.
    """
    had, new = of(app, live) if live else [], of(app, settings)
    found = [
        f"VOLUME_MISSING: the volume {volume.docker_name} was gone from this host; an empty one was made. "
        "playbooks/restore.yml brings back the last backup of it"
        for volume in made
        if volume.name in {old.name for old in had}
    ]
    found += [
        f"VOLUME_LEFT: the live release has the volume {old.docker_name} at {old.path}, and this one has not. "
        "The volume and its files stay on this host, and are in no backup from now on"
        for old in had
        if (old.name, old.path) not in {(volume.name, volume.path) for volume in new}
    ]
    return found + [warning for volume in new if (warning := _foreign_owner(volume, settings["user"]))]


def _foreign_owner(volume: AppVolume, user: str) -> str:
    place = directory(volume)
    status = place.lstat()
    if status.st_uid == int(user.partition(":")[0]):
        return ""
    return (
        f"VOLUME_OWNER: the volume {volume.docker_name} belongs to {status.st_uid}:{status.st_gid} and app_release_user is {user}: "
        f"if the app cannot write to {volume.path}, chown --recursive --no-dereference {user} {place}"
    )
