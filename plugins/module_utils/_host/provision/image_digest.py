# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which image a tag is on this host, and whether its registry has another one under that tag by now."""

from __future__ import annotations

import shutil
from typing import Any, Dict

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import updates


def run(params: Dict[str, Any], check: bool) -> Dict[str, Any]:
    """Tell the digests of an image here, and whether its tag has moved; nothing is changed, whether it is a check or not."""
    image = params["image"]
    digests = docker.digests(image) if shutil.which("docker") else []
    newer = docker.newer(image, digests)
    warnings = [updates.moved(image, params["variable"], digests[0], newer)] if newer else []
    return {"changed": False, "digests": digests, "newer": newer, "warnings": warnings}
