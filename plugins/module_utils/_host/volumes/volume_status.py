# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What status tells of an app's volumes."""

from __future__ import annotations

from typing import Any, Dict, List

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes import volume_tree
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes.app_volumes import AppVolume, directory, of
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

STATUS_SECONDS = 2.0


def told(app: str, settings: Settings) -> List[Dict[str, Any]]:
    """Return what status tells of a release's volumes: each with its size, as far as it could be counted in some seconds."""
    volumes = of(app, settings)
    return [{**_told(volume, STATUS_SECONDS / len(volumes)), "path": volume.path, "backup": volume.backup} for volume in volumes]


def _told(volume: AppVolume, seconds: float) -> Dict[str, Any]:
    known: Dict[str, Any] = {"name": volume.docker_name, "bytes": None, "complete": False, "problem": None}
    try:
        size, complete = volume_tree.disk_usage(directory(volume), seconds)
    except (ReleaseError, OSError) as error:
        return {**known, "problem": error.what if isinstance(error, ReleaseError) else str(error)}
    return {**known, "bytes": size, "complete": complete}
