# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The volume that an image of PostgreSQL has to use."""

from __future__ import annotations

import shutil
from typing import Any, Dict, List

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import versions, volume


def work(paths: AppPaths, name: str, upgrade: bool, check_mode: bool, warnings: List[str]) -> Dict[str, Any]:
    """Return what the image is and which volume it has to use.

    Raises:
        ReleaseError: PG_MAJOR_UPGRADE, CONFIG, IMAGE_NOT_FOUND or DOCKER_DOWN.
    """
    # A check of a bare host: there is nothing yet to be asked.
    bare = check_mode and shutil.which("docker") is None
    current = None if bare else volume.find_volume(paths.app)
    image = None if bare else volume.find_image(name)
    fetched = image is None
    if image is None and check_mode:
        image, owner = versions.guessed_image(name, current), versions.guessed_owner(name)
        warnings.append(f"{name} is not on this host yet, and is taken for PostgreSQL {image.major}")
    else:
        image = image or volume.pull(name)
        owner = volume.owner_of(name, versions.USER)
    begun = volume.begun(paths)
    if upgrade and current is not None:
        versions.refuse_downgrade(image, current)
    if not upgrade:
        versions.refuse_other_major(image, current)
        versions.refuse_other_owner(image, owner, current)
        if begun:
            warnings.append(f"an upgrade of PostgreSQL was begun at {begun['at']} and not ended: run {versions.PLAYBOOK} again")
    return {
        "changed": fetched,
        "major": image.major,
        "volume": versions.chosen(paths.app, image, current),
        "mount": image.mount,
        "data": image.data,
        "owner": owner,
        "current": current and {"major": current.major, "volume": current.name, "image": _image_in_use(paths.app)},
        "needed": current is not None and current.major != image.major,
        "begun": begun,
    }


def _image_in_use(app: str) -> str:
    container = volume.find_container(app)
    return str(container["Config"]["Image"]) if container else ""


def run(params: Dict[str, Any], check: bool) -> Dict[str, Any]:
    """Find the volume that fits an image of PostgreSQL."""
    warnings: List[str] = []
    result = work(AppPaths(params["app"]), params["image"], params["upgrade"], check, warnings)
    return {**result, "warnings": warnings}
