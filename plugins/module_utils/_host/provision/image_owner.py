# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The user that an image has for its server."""

from __future__ import annotations

import shutil
from typing import Any, Dict

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import versions, volume


def work(image: str, user: str, check_mode: bool) -> Dict[str, Any]:
    """Return the owner.

    Raises:
        ReleaseError: CONFIG, IMAGE_NOT_FOUND or DOCKER_DOWN.
    """
    present = shutil.which("docker") is not None and docker.has_image(image)
    if not present and check_mode:
        return {"changed": True, "owner": versions.DEBIANS_OWNER}
    if not present:
        volume.fetch(image, f"data_services_{user}_image")
    return {"changed": not present, "owner": volume.owner_of(image, user)}


def run(params: Dict[str, Any], check: bool) -> Dict[str, Any]:
    """Ask an image which user its server runs as."""
    return work(params["image"], params["user"], check)
