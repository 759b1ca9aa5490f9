# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The proof that a backup can be restored, and where its outcome is kept."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import lookup, outcomes, restore, volume_restore
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


@dataclass(frozen=True)
class Proof:
    """A backup that was restored and compared.

    Args:
        manifest: of the backup.
        seconds: how long it took.
        left_out: what the schema's owner may not make, and the data does not need.
    """

    manifest: Manifest
    seconds: float
    left_out: List[str]

    @property
    def facts(self) -> Dict[str, Any]:
        """What is told and kept of it."""
        manifest = self.manifest
        sizes = {"rows": manifest.rows, "bytes": manifest.bytes}
        return {"backup": manifest.id, "seconds": self.seconds, **sizes, "left_out": self.left_out}


def prove(paths: AppPaths, wanted: str = "") -> Proof:
    """Restore a backup beside the live database, compare it, drop it, and keep the outcome for status.

    Args:
        paths: the app's files.
        wanted: the backup's id; empty for the newest.

    Raises:
        ReleaseError: DRILL_FAILED.
    """
    with _only_drill(paths):
        try:
            return _prove(paths, wanted)
        except ReleaseError as error:
            failure = failed(error)
            outcomes.record(paths, "drill", failure)
            raise failure from error


def failed(error: ReleaseError) -> ReleaseError:
    """Return the failure of a drill."""
    return ReleaseError(
        "DRILL_FAILED",
        f"the restore drill failed: {error.code}: {error.what}",
        f"do not rely on these backups until a drill succeeds: {error.todo}",
        error.details,
    )


def _prove(paths: AppPaths, wanted: str) -> Proof:
    started = time.monotonic()
    database = lookup.database_of(paths)
    manifest = lookup.obtain(paths, wanted)
    lookup.require_fitting(database, manifest)
    left_out: List[str] = []
    if database is not None:
        restore.require_space(database, manifest)
        with restore.restored(database, paths, manifest, restore.DRILL) as copy:
            left_out = copy.left_out
    volume_restore.prove(paths, manifest)
    proof = Proof(manifest, round(time.monotonic() - started, 2), left_out)
    outcomes.record(paths, "drill", **proof.facts)
    # A later drill that fails says nothing about this backup.
    outcomes.record(paths, outcomes.PROOF, **proof.facts)
    return proof


@contextmanager
def _only_drill(paths: AppPaths) -> Iterator[None]:
    """Have no other drill run meanwhile: each drops what an earlier one left."""
    paths.backups.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(paths.backups / "drill.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            busy = ReleaseError("LOCKED", f"another drill of {paths.app} is under way", "wait for it to end (systemctl list-jobs)")
            raise failed(busy) from None
        yield
    finally:
        os.close(handle)
