# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Third stage of a deploy, second of a rollback."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.limits import ready_warning
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import Answer
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import edge, retirement, site
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge.access import require_access
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge.drain import pause_after_switch, stop_release
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import described
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import Ledger, read_route, write_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import Release
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.bake import Bake
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.handover import Handover
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Result, Stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import Migration

# The route is read with each request, so the proxy sends requests to the new release at once; this bounds a busy host.
VERIFY_SECONDS = 10.0
VERIFY_INTERVAL = 0.2
ANSWER_SECONDS = 5.0


def run(stage: Stage) -> Result:
    """Start, wait, switch, verify, bake."""
    if stage.check_mode:
        return {"changed": True}
    with stage.lock():
        ledger = stage.resume()
        _note_migrations(stage, ledger)
        candidate = Candidate(stage.paths, stage.params["release"])
        before = read_route(stage.paths)
        handover = Handover(stage.paths, candidate, before)
        try:
            answer = _put_into_service(stage, candidate, handover)
        except ReleaseError as error:
            if handover.begun:
                error.what = f"{error.what}; {handover.give_back()}"
            else:
                _put_back(stage, candidate, before)
            stage.warnings += _schema_ahead(ledger.get(candidate.id), before)
            raise
        container = candidate.container()
        release = ledger.get(candidate.id)
        release.revision, release.container = answer.json().get("revision"), container["Id"] if container else None
        ledger.mark_live(candidate.id)
        stage.journal.enter("BAKED")
        stage.journal.pause()
        return {"changed": True, "ready": str(answer), "unserved_seconds": round(handover.seconds, 2)}


def _note_migrations(stage: Stage, ledger: Ledger) -> None:
    """Record what another host migrated for this release; the one that did has it already."""
    release = ledger.get(stage.params["release"])
    migrations = [Migration.from_dict(migration) for migration in stage.params["migrations"]]
    if release.schema and migrations and not release.schema.migrations:
        ledger.note_schema(release.id, replace(release.schema, migrations=migrations))


def _put_into_service(stage: Stage, candidate: Candidate, handover: Handover) -> Answer:
    if handover.volumes:
        with stage.steps.step("stop") as step:
            step["volumes"] = handover.volumes
            stage.warnings += handover.stop_old(stage.journal)
    with stage.steps.step("start") as step:
        step["warm"] = retirement.start(candidate)
    stage.journal.enter("STARTED")
    with stage.steps.step("ready"):
        answer = _await_ready(stage, candidate, just_started=not step["warm"])
        if candidate.settings["listen"] == "socket":
            require_access(stage.paths, candidate.id, candidate.title, candidate.settings)
    stage.journal.enter("READY")
    with stage.steps.step("switch"):
        # Before the route names it: whatever happens from then on, a reboot included, it has to come back.
        candidate.keep_running()
        bake = Bake(candidate, candidate.running_container(), edge.Answers(stage.paths.app))
        write_route(stage.paths, candidate.id)
        handover.served()
    stage.journal.enter("SWITCHED")
    with stage.steps.step("verify"):
        _verify(candidate)
    with stage.steps.step("bake") as step:
        during = bake.watch()
        if during is not None:
            step.update(requests=during.all, errors=during.errors)
        stage.warnings += bake.warnings()
    return answer


def _await_ready(stage: Stage, candidate: Candidate, just_started: bool) -> Answer:
    began = time.monotonic()
    answer = candidate.await_ready()
    late = ready_warning(time.monotonic() - began, float(candidate.settings["ready_seconds"]))
    stage.warnings += [late] if late else []
    if just_started:  # one that serves may have lost a process long ago
        candidate.require_memory()
    return answer


def _verify(candidate: Candidate) -> None:
    """Ask through the proxy, as users do, whether the new release answers."""
    names = site.hosts(candidate.paths, candidate.settings)
    deadline = time.monotonic() + VERIFY_SECONDS
    while True:
        problems = edge.unreached(candidate.settings, names, candidate.id, ANSWER_SECONDS)
        if not problems:
            return
        if time.monotonic() > deadline:
            raise ReleaseError(
                "VERIFY_FAILED",
                f"{candidate.title} was ready, but did not answer through the proxy; traffic was switched back",
                "check the proxy: docker logs edge-caddy-1",
                [f"last answer at {problem}" for problem in problems],
            )
        time.sleep(VERIFY_INTERVAL)


def _put_back(stage: Stage, candidate: Candidate, before: Optional[str]) -> None:
    """Put the route back where it was; requests that the candidate has already are still answered by it."""
    if read_route(stage.paths) == before:
        return
    write_route(stage.paths, before)
    pause_after_switch(stage.paths.route, float(candidate.settings["drain_seconds"]))
    stop_release(stage.paths.app, candidate.id)


def _schema_ahead(release: Release, before: Optional[str]) -> List[str]:
    """Say that the database stays migrated, although the release that wanted it is not live."""
    was, now = release.schema.before if release.schema else None, release.heads
    if was is None or was == now:
        return []
    serves = f"{before} serves with it" if before else "nothing serves"
    return [f"SCHEMA_AHEAD: {release.id} migrated the database from {described(was)} to {described(now)}, where it stays; {serves}"]
