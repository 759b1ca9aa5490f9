# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was published since a host got its images and packages: told, never taken."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import run
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import edge
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker, engine_facts
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.engine import PRODUCTS, held_back
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.engine_found import Found
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

# The variable that names the image of each service that is no release.
VARIABLES = {"caddy": "edge_proxy_image", "postgres": "data_services_postgres_image", "redis": "data_services_redis_image"}


def available(app: str) -> List[str]:
    """Return a sentence for each image of the proxy and of the app's data services whose tag has moved, and for each held package.

    Nothing is said of what cannot be asked within some seconds.
    """
    containers = [*docker.project_containers(f"{app}-data"), *docker.project_containers(edge.PROJECT)]
    with ThreadPoolExecutor(max(1, len(containers))) as pool:
        return [*filter(None, pool.map(_image, containers)), *_packages()]


def moved(image: str, variable: str, present: str, newer: str) -> str:
    """Return what to say of an image that is not the newest of its tag.

    Args:
        image: its reference, with a tag.
        variable: the one that names it.
        present: digest of the image that is used.
        newer: digest that the tag means now.
    """
    return (
        f"{image} is {newer} in its registry by now; this host keeps {present}. To renew it when a restart suits you: "
        f"docker pull {image}, then playbooks/provision.yml; to decide it yourself: {variable}: {image}@{newer}"
    )


def _image(container: Dict[str, Any]) -> str:
    variable = VARIABLES.get(container["Config"]["Labels"].get("com.docker.compose.service", ""))
    if variable is None:
        return ""
    reference = container["Config"]["Image"]
    try:
        present = docker.digests(container["Image"])  # what it runs, whatever was pulled since
        newer = docker.newer(reference, present)
    except (ReleaseError, ValueError, KeyError):  # an answer that is none
        return ""
    return moved(reference, variable, present[0], newer) if newer else ""


def _packages() -> List[str]:
    if shutil.which("dpkg-query", path=engine_facts.PROGRAMS) is None:
        return []
    packages, held = engine_facts.installed_packages()
    held = [name for name in held if name in PRODUCTS]
    if not held:
        return []
    return held_back(Found(packages=packages, offered=engine_facts.candidates(run(["apt-cache", "policy", *held]).out), held=held))
