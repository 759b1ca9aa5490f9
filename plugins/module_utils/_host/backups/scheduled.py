# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the timers of scheduled backups and of restore drills start, and what is told of it.

``ok`` is false when the backup, its verification, the removal of old ones, or the copy off the host failed, or when the newest backup
could not be restored.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import (
    backup,
    backup_volumes,
    drill,
    lookup,
    outcomes,
    store,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.offsite import Offsite
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

KEEP = 14


def back_up(paths: AppPaths) -> Dict[str, Any]:
    """Make a scheduled backup, with all that belongs to it, and return what is told of it.

    When the copy off the host fails, old backups are still removed; what failed is told.
    """
    told: Dict[str, Any] = {"app": paths.app, "ok": True, "failures": []}
    manifest = _attempt(told, lambda: _take(paths))
    if manifest is None:
        return told
    told.update({name: getattr(manifest, name) for name in ("id", "bytes", "seconds", "revision")})
    told["notes"] = backup_volumes.notes(manifest)
    told["removed"] = _attempt(told, lambda: _prune(paths))
    told["offsite"] = _attempt(told, lambda: _copy(paths, manifest.id))
    return told


def prove(paths: AppPaths) -> Dict[str, Any]:
    """Prove the newest backup, and return what is told of it. Before the first backup there is nothing to prove."""
    told: Dict[str, Any] = {"app": paths.app, "ok": True, "failures": []}
    if store.manifests(paths):
        proof = _attempt(told, lambda: drill.prove(paths))
        told.update(proof.facts if proof else {})
    return told


def _attempt(told: Dict[str, Any], work: Callable[[], Any]) -> Any:
    try:
        return work()
    except ReleaseError as error:
        told["ok"] = False
        told["failures"].append({"code": error.code, "what": error.what, "todo": error.todo, "details": error.details})
        return None


def _take(paths: AppPaths) -> Manifest:
    try:
        database = lookup.database_of(paths)
    except ReleaseError as error:
        outcomes.record(paths, store.SCHEDULED, error)
        raise
    return backup.take(paths, database, store.SCHEDULED)


def _prune(paths: AppPaths) -> List[str]:
    try:
        gone = store.prune(paths, int(outcomes.settings(paths).get("keep", KEEP)))
    except OSError as failure:
        error = ReleaseError("BACKUP_FAILED", f"old backups could not be removed: {failure}", f"look at {paths.backups}")
        outcomes.record(paths, "retention", error)
        raise error from failure
    outcomes.record(paths, "retention")
    return gone


def _copy(paths: AppPaths, identifier: str) -> Optional[str]:
    offsite = Offsite.of(paths)
    if offsite is None:
        if "offsite" in outcomes.outcomes(paths):
            outcomes.record(paths, "offsite")  # that they once failed is of no interest where none are wanted
        return None
    try:
        offsite.copy(paths, identifier)
    except ReleaseError as error:
        outcomes.record(paths, "offsite", error)
        raise
    outcomes.record(paths, "offsite", backup=identifier)
    return offsite.shown
