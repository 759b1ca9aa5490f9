# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether users can be let in again after a restore."""

from __future__ import annotations

import contextlib
from typing import List

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import described
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import has_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import find
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import Ledger, read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


def restart_live(paths: AppPaths) -> None:
    """Start the live release again on the database that was restored."""
    live = read_route(paths)
    if live is not None and has_record(paths, live):
        with contextlib.suppress(ReleaseError):  # whether it is ready is what is asked next
            Candidate(paths, live).restart()


def problems(paths: AppPaths, manifest: Manifest) -> List[str]:
    """Say why users cannot be let in again; nothing when they can."""
    live = read_route(paths)
    if live is None or not has_record(paths, live):
        return []
    release = find(Ledger(paths).releases, live)
    heads = release.heads if release else []
    try:
        Candidate(paths, live).await_ready()
    except ReleaseError as error:
        wrong = [f"{live} is not ready with it: {error.code}: {error.what}"]
        if heads and sorted(heads) != sorted(manifest.revision):
            wrong.append(f"{live} was made for {described(heads)}, the backup is at {described(manifest.revision)}")
        then = manifest.release
        back = [f"Go back to {then}, which was live then: playbooks/rollback.yml -e release={then} -e schema=keep"] if then else []
        migrate = f"{'Or deploy' if back else 'Deploy'} the tag of {live} again, which migrates the database"
        return [*wrong, *back, migrate, "Then: playbooks/maintenance.yml -e maintenance=off"]
    return []
