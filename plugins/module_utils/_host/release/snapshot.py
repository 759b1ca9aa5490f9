# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an app has on its host at one moment. A stage decides on this, then acts; it does not look again in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import containers as _containers
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import BundleRecord, find_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.containers import Container
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import find
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import Ledger, release_in, route_text
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import Release


@dataclass(frozen=True)
class Snapshot:
    """An app on its host.

    Args:
        route: the text of the route, whatever it is; None when it is missing.
        ledger: the record of releases. Whoever changes it keeps it true: it is the only one that a stage works with.
        bundle: what the live release's bundle says of itself; None when nothing is live, or the bundle is damaged or gone.
        containers: `docker inspect` of all of the app's containers, running or not.
    """

    route: Optional[str]
    ledger: Ledger
    bundle: Optional[BundleRecord]
    containers: List[Container]

    @property
    def live(self) -> Optional[str]:
        """The id of the live release; None when nothing is live."""
        return release_in(self.route)

    @property
    def release(self) -> Optional[Release]:
        """What is on record of the live release; None when nothing is."""
        return find(self.ledger.releases, self.live)

    @property
    def settings(self) -> Optional[Settings]:
        """The settings of the live release; None where `bundle` is."""
        return self.bundle.settings if self.bundle else None

    @property
    def container(self) -> Optional[Container]:
        """The container of the live release; None when it is gone, or its bundle is damaged."""
        return _containers.serving(self.containers, self.live) if self.bundle else None

    @property
    def running(self) -> List[str]:
        """The ids of the releases of which any container runs."""
        return _containers.running_releases(self.containers)


def observe(paths: AppPaths, ledger: Optional[Ledger] = None) -> Snapshot:
    """Look at the host.  Call with the lock held, unless nothing is decided on it.

    Args:
        paths: the app's files.
        ledger: the record of releases, where the stage has it already.

    Raises:
        ReleaseError: STATE_SCHEMA when another version of the collection wrote the ledger, DOCKER_DOWN.
    """
    route = route_text(paths)
    return Snapshot(route, ledger or Ledger(paths), find_record(paths, release_in(route)), docker.containers(paths.app))
