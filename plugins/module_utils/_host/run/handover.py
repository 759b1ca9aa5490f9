# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An exclusive volume handed from one release to the next, which never run at the same time.

Nobody is served from the stop of the old release to the switch. The proxy holds requests for as long as it tries them again, then answers
with its maintenance page.
"""

from __future__ import annotations

import time
from typing import List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths, write_atomically
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import retirement
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge.drain import cut_warning, stop_release
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import settings_of
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import write_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.entry import STOPPING
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.journal import Journal
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes import app_volumes
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


class Handover:
    """One hand-over, from the live release to the one that is to follow it.

    Args:
        paths: the app's files.
        candidate: the release that is to go live.
        before: the live release; None when there is none.
    """

    def __init__(self, paths: AppPaths, candidate: Candidate, before: Optional[str]) -> None:
        self._paths = paths
        self._candidate = candidate
        self._before = before
        self._since: Optional[float] = None
        self.volumes = contested(paths, candidate, before)
        self.begun = False
        # For how long nobody was served.
        self.seconds = 0.0

    def stop_old(self, journal: Journal) -> List[str]:
        """Stop the live release, and warn of requests that this cut.  From here on whoever clears up after this run starts it again."""
        before = self._old
        journal.enter(STOPPING)
        self.begun, self._since = True, time.monotonic()
        write_atomically(self._paths.handover, "", mode=0o644)
        cut = stop_release(self._paths.app, before, settings_of(self._paths, before))
        return [cut_warning(cut, [before])] if cut else []

    @property
    def _old(self) -> str:
        """The live release; volumes are handed over only where there is one."""
        if self._before is None:
            raise AssertionError("no release is live")
        return self._before

    def served(self) -> None:
        """Note that users are served again."""
        if self._since is not None:
            self.seconds += time.monotonic() - self._since
            self._since = None
        self._paths.handover.unlink(missing_ok=True)

    def give_back(self) -> str:
        """Have the old release serve again, once the new one has ended, and say what that cost."""
        before = self._old
        if self._since is None:  # the new one was live for a moment
            self._since = time.monotonic()
        try:
            stop_release(self._paths.app, self._candidate.id)
            start_again(self._paths, before)
        except ReleaseError as error:
            return f"{before} had been stopped for it and could not be started again, so nobody is served: {error.code}: {error.what}"
        write_route(self._paths, before)
        self.served()
        return f"{before} had been stopped for it and was started again: nobody was served for {self.seconds:.1f} s"


def contested(paths: AppPaths, candidate: Candidate, before: Optional[str]) -> List[str]:
    """Return the volumes that two releases both have, and that only one may have at a time."""
    if before is None:
        return []
    new = app_volumes.of(paths.app, candidate.settings)
    # Of a release whose bundle is damaged nothing is known: it may have what this one has.
    settings = settings_of(paths, before)
    old = new if settings is None else app_volumes.of(paths.app, settings)
    shared = {volume.name for volume in old} & {volume.name for volume in new}
    return sorted({volume.name for volume in (*old, *new) if volume.exclusive} & shared)


def start_again(paths: AppPaths, release: str) -> None:
    """Start a release that was stopped for another one, and wait until it is ready.

    Raises:
        ReleaseError: START_FAILED, APP_EXIT, NOT_READY.
    """
    old = Candidate(paths, release)
    retirement.start(old)
    old.await_ready()
    old.keep_running()
