# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an earlier run left behind, completed or cleared away, and damaged records mended.

A run that fails and a run that dies are cleared up by the same code; what is live is decided by the route alone.
"""

from __future__ import annotations

import contextlib
import shutil
from typing import List, Optional, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import store
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import retirement
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge.drain import stop_release
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.registry import remove_logins
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import has_record, settings_of
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.containers import is_one_off, release_of
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import find
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import Ledger, read_route, write_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import FAILED, KEPT, LIVE, PREPARED
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.removal import remove_release
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.snapshot import Snapshot, observe
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import handover
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.entry import STOPPING, Entry
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.journal import Journal
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

INTERRUPTED = "INTERRUPTED"


def recover(paths: AppPaths, journal: Journal, host: Snapshot) -> Tuple[Snapshot, List[str]]:
    """Bring the host to a state between two runs; return what is there then, and what had to be done.

    Nothing is written where there is nothing to do.  Call with the lock held.
    """
    told = _damage(journal, host.ledger)
    for act in (_repair_route, _settle, _record_live, _discard_prepared, _stop_others):
        done = act(paths, journal, host)
        if done is not None:
            told += done
            host = observe(paths, host.ledger)
    if host.ledger.damage:
        host.ledger.save()
    _remove_temporary(paths)
    return host, told


def clear_away(paths: AppPaths, journal: Journal, reason: str) -> None:
    """End a run that failed: its release goes, unless users have it.  Then the next run completes it."""
    entry = journal.unfinished()
    if entry is None or (entry.release is not None and entry.release == read_route(paths)):
        return
    _abandon(paths, journal, Ledger(paths), entry, reason)


def discard(paths: AppPaths, ledger: Ledger, release: str, reason: str) -> None:
    """Take away a release that is not live: one that never served goes altogether, an earlier one is only stopped."""
    known = find(ledger.releases, release)
    if known is not None and known.status != PREPARED:
        stop_release(paths.app, release)
        return
    remove_release(paths, release)
    if known is not None:
        known.status, known.reason = FAILED, reason
        ledger.save()


def _damage(journal: Journal, ledger: Ledger) -> List[str]:
    damages = filter(None, (ledger.damage, journal.mend()))
    return [f"STATE_REBUILT: {damage}; it was rebuilt from what is on the host, and kept as *.corrupt-<n>" for damage in damages]


# Each act gets the host as the act before it left it, and returns None when there was nothing to do.


def _repair_route(paths: AppPaths, journal: Journal, host: Snapshot) -> Optional[List[str]]:
    """Make the route name a release that is there."""
    if host.live and (host.bundle or any(release_of(one) == host.live for one in host.containers)):
        return None  # also where its bundle is damaged: what users have is never taken away for that
    served = [release for release in host.ledger.releases if release.status in (LIVE, KEPT) and has_record(paths, release.id)]
    last = next((release.id for release in served if release.status == LIVE), None)
    if last:
        retirement.start(Candidate(paths, last))
    else:
        last = next((release.id for release in reversed(served) if _serves(paths, release.id)), None)
    if last is None:
        return None  # nothing ever served here, or nothing that still can
    write_route(paths, last)
    was = "missing" if host.route is None else f"{host.route[:40]!r}, which is no release here"
    return [f"RECOVERED: the route was {was}; it names {last} again"]


def _settle(paths: AppPaths, journal: Journal, host: Snapshot) -> Optional[List[str]]:
    """Complete or clear away a run that was not ended."""
    entry = journal.unfinished()
    if entry is None:
        return None
    outcome = _outcome(paths, journal, host, entry)
    paths.handover.unlink(missing_ok=True)
    return [f"RECOVERED: run {entry.run} of {entry.owner} ended at {entry.phase}; {outcome}"]


def _record_live(paths: AppPaths, journal: Journal, host: Snapshot) -> Optional[List[str]]:
    if host.release is None or host.release.status == LIVE:
        return None
    host.ledger.mark_live(host.release.id)
    return []


def _discard_prepared(paths: AppPaths, journal: Journal, host: Snapshot) -> Optional[List[str]]:
    left = [release.id for release in host.ledger.releases if release.status == PREPARED and release.id != host.live]
    for release in left:
        discard(paths, host.ledger, release, INTERRUPTED)
    return [] if left else None


def _stop_others(paths: AppPaths, journal: Journal, host: Snapshot) -> Optional[List[str]]:
    others = [release for release in host.running if release != host.live and not retirement.is_under_way(paths.app, release)]
    for release in others:
        _stop_or_remove(paths, host.ledger, release)
    return [f"RECOVERED: {release} was running and is not live; it was stopped" for release in others] or None


def _outcome(paths: AppPaths, journal: Journal, host: Snapshot, entry: Entry) -> str:
    """End a run that was not ended, and say how."""
    release, ledger = entry.release, host.ledger
    if release is None or release != host.live:
        _abandon(paths, journal, ledger, entry, entry.code or INTERRUPTED)
        again = f"; {entry.before}, which had been stopped for it, was started again" if entry.reached(STOPPING) else ""
        return f"{release or 'it'} never went live and was cleared away{again}"
    problem = _complete(paths, ledger, release)
    if not problem:
        journal.end(entry, "COMMITTED")
        return f"{release} is live and was completed"
    before = entry.before
    if before is None or not has_record(paths, before) or not _takes_over(paths, entry, release, before):
        journal.end(entry, "COMMITTED")
        return f"{release} is live, does not answer ({problem}), and there is none to go back to"
    write_route(paths, before)
    ledger.mark_live(before)
    _abandon(paths, journal, ledger, entry, entry.code or INTERRUPTED)
    return f"{release} does not answer ({problem}), so {before} was put back"


def _abandon(paths: AppPaths, journal: Journal, ledger: Ledger, entry: Entry, reason: str) -> None:
    if entry.reached("MIGRATING"):
        _end_migration(paths)
    if entry.release is not None:
        discard(paths, ledger, entry.release, reason)
    if entry.before and entry.reached(STOPPING):
        # When it cannot be started, the release that is deployed next takes its place all the same.
        with contextlib.suppress(ReleaseError):
            handover.start_again(paths, entry.before)
    journal.end(entry, "REVERTED" if entry.reached("SWITCHED") else "ABORTED")


def _takes_over(paths: AppPaths, entry: Entry, release: str, before: str) -> bool:
    """Have the release before serve in place of one that does not answer; where only one may run, the other one is stopped first."""
    if not entry.reached(STOPPING):
        return _serves(paths, before)
    stop_release(paths.app, release)
    if _serves(paths, before):
        return True
    stop_release(paths.app, before)
    with contextlib.suppress(ReleaseError):
        Candidate(paths, release).start()
    return False


def _end_migration(paths: AppPaths) -> None:
    """End what may still run of a migration: its container, then its sessions at the server."""
    for container in docker.containers(paths.app):
        if is_one_off(container):
            docker.remove(container["Id"])
    database = find_database(paths)
    if database is not None:
        # When it does not answer, it ends the sessions of clients that are gone by itself.
        with contextlib.suppress(ReleaseError):
            database.end_migrations()


def _complete(paths: AppPaths, ledger: Ledger, release: str) -> str:
    """Finish what the switch began; return what is wrong when the release does not answer."""
    if not has_record(paths, release):
        return ""  # its bundle was damaged since: nothing can be asked, and users keep it
    candidate = Candidate(paths, release)
    try:
        answer = candidate.await_ready()
    except ReleaseError as error:
        return error.what
    candidate.keep_running()
    ledger.get(release).revision = answer.json().get("revision")
    ledger.mark_live(release)
    return ""


def _serves(paths: AppPaths, release: str) -> bool:
    candidate = Candidate(paths, release)
    try:
        retirement.start(candidate)
        candidate.await_ready()
    except ReleaseError:
        return False
    return True


def _stop_or_remove(paths: AppPaths, ledger: Ledger, release: str) -> None:
    if find(ledger.releases, release) is None:
        remove_release(paths, release)
    else:
        stop_release(paths.app, release, settings_of(paths, release))


def _remove_temporary(paths: AppPaths) -> None:
    """Remove files that a process was writing when it was killed; the lock says that none is."""
    for file in [*paths.home.glob(".*.*"), *paths.route.parent.glob(".route.*")]:
        file.unlink(missing_ok=True)
    for directory in paths.releases.glob(".*.new"):
        shutil.rmtree(directory, ignore_errors=True)
    remove_logins(paths)
    store.clear_partial(paths)
