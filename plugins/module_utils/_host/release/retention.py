# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is kept for rollbacks, and what goes: by record, never by tag."""

from __future__ import annotations

from typing import List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.containers import running_releases
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import prunable, unneeded_images
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import Ledger
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import PRUNED
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.removal import remove_release


def has_prunable(ledger: Ledger, live: Optional[str], keep: int) -> bool:
    """Tell whether `prune` would make room."""
    return bool(prunable(ledger.releases, live, keep)) or any(map(docker.has_image, unneeded_images(ledger.releases)))


def prune(paths: AppPaths, ledger: Ledger, live: Optional[str], keep: int) -> List[str]:
    """Remove releases that no rollback needs, and images that no release needs; return the ids of the former."""
    running = running_releases(docker.containers(paths.app))  # its last requests, or its time to be gone back to, are not over
    gone = [release for release in prunable(ledger.releases, live, keep) if release not in running]
    for release in gone:
        remove_release(paths, release)
        ledger.get(release).status = PRUNED
        ledger.save()
    for image in unneeded_images(ledger.releases):
        docker.remove_image(image)
    return gone
