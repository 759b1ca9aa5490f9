# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release taken off its host."""

from __future__ import annotations

import shutil

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import socket_dir


def remove_release(paths: AppPaths, release: str) -> None:
    """Remove all that a release has on this host, however much of it there is."""
    for container in docker.containers(paths.app, release):
        docker.remove(container["Id"])
    socket_dir.remove(paths.socket_dir(release))
    shutil.rmtree(paths.bundle(release), ignore_errors=True)
    paths.cut(release).unlink(missing_ok=True)
