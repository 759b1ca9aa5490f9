# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of an app's containers is which, by their labels."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.docker import RELEASE_LABEL
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import API

Container = Dict[str, Any]


def is_one_off(container: Container) -> bool:
    """Tell whether a container was started for one command, such as a migration."""
    return bool(container["Config"]["Labels"].get("com.docker.compose.oneoff") == "True")


def release_of(container: Container) -> str:
    """Return the id of the release that a container belongs to."""
    return str(container["Config"]["Labels"][RELEASE_LABEL])


def serving(containers: Iterable[Container], release: Optional[str]) -> Optional[Container]:
    """Return the container of a release that answers requests, running or not; None when it has none."""
    answering = (one for one in containers if one["Config"]["Labels"].get("com.docker.compose.service") == API and not is_one_off(one))
    return next((one for one in answering if release_of(one) == release), None)


def running_releases(containers: Iterable[Container]) -> List[str]:
    """Return the ids of the releases of which any container runs."""
    return sorted({release_of(one) for one in containers if one["State"]["Running"]})
