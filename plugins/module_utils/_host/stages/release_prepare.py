# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""First stage of a deploy."""

from __future__ import annotations

from typing import Optional, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.plan import Plan
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import retention
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle_diff import difference
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle_write import Bundle
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import Schema
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.snapshot import Snapshot, observe
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import preflight
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.planning import look_ahead, planned, require_mapped
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Result, Stage, brief
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.unchanged import is_same
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes import app_volumes
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


def run(stage: Stage) -> Result:
    """Bring everything of the new release to the host, short of starting it."""
    preflight.require_host(stage.paths, stage.settings)
    with stage.lock():
        host = observe(stage.paths)
        with stage.steps.step("preflight"):
            bundle, no_room = _check(stage, host)
        if stage.check_mode:
            return _plan(stage, host, bundle)
        host = stage.recover(host)
        if is_same(stage, host, bundle):
            return {**_unchanged(host), "changed": bool(stage.told)}
        stage.journal.begin("deploy", host.live)
        result = _write(stage, host, bundle, no_room)
        stage.journal.pause()
        return result


def _check(stage: Stage, host: Snapshot) -> Tuple[Bundle, Optional[ReleaseError]]:
    """Check host and registry; return the release to be, and what is said when even pruning makes no room for it.

    Raises:
        ReleaseError: PREFLIGHT with all that is wrong, or the one thing that is.
    """
    p = stage.params
    findings = preflight.look(stage.paths, stage.settings, host.container)
    findings += preflight.site(stage.paths, stage.settings)
    if any(finding.code in ("COMMAND_MISSING", "DOCKER_DOWN") for finding in findings):
        preflight.raise_all(findings)
    try:
        remote = stage.registry(p["image"]).resolve(p["tag"], p["digest"])
    except ReleaseError as error:
        raise preflight.combined([*findings, error]) from error
    findings += filter(None, [preflight.platform(f"{p['image']}:{p['tag']}", remote.platforms)])
    here = docker.has_image(f"{p['image']}@{remote.digest}")
    no_room = None if here else preflight.disk(stage.settings, host.bundle.release.image.reference if host.bundle else None)
    if no_room is not None and not retention.has_prunable(host.ledger, host.live, int(stage.settings["keep"])):
        findings.append(no_room)
    preflight.raise_all(findings)
    stage.warnings += preflight.warnings(stage.settings, p["controller_clock"])
    stage.warnings += preflight.shallow_readiness(stage.settings) if find_database(stage.paths) else []
    return Bundle.from_options(p, remote.digest), no_room


def _plan(stage: Stage, host: Snapshot, bundle: Bundle) -> Result:
    if is_same(stage, host, bundle):
        return _unchanged(host)
    release = bundle.release(host.ledger.next_id, host.live)
    return {
        "changed": True,
        "unchanged": False,
        "release": brief(release),
        "plan": look_ahead(stage, host, bundle, release).as_dict(),
        "diff": difference(stage.paths, host.bundle, bundle),
    }


def _write(stage: Stage, host: Snapshot, bundle: Bundle, no_room: Optional[ReleaseError]) -> Result:
    ledger = host.ledger
    if no_room is not None:
        with stage.steps.step("prune"):
            _make_room(stage, host)
    with stage.steps.step("pull") as step:
        step["digest"] = bundle.digest
        step["pulled"] = stage.registry(bundle.image).pull(bundle.digest)
    try:
        require_mapped(host, bundle)
    except ReleaseError:
        if step["pulled"]:
            docker.remove_image(bundle.pinned.reference)
        raise
    with stage.steps.step("bundle"):
        changes = difference(stage.paths, host.bundle, bundle)
        image_id = docker.image_id(bundle.pinned.reference)
        release = bundle.release(ledger.next_id, host.live, image_id, stage.params["run"], stage.params["owner"])
        ledger.add(release)
        bundle.write(stage.paths, release)
        made = app_volumes.ensure(bundle.app, bundle.settings)
        stage.warnings += app_volumes.warnings(bundle.app, made, bundle.settings, host.settings)
    stage.journal.enter("PREPARED", release.id)
    with stage.steps.step("plan") as step:
        image = Candidate(stage.paths, release.id).for_migrations
        plan = planned(stage, image, ledger, release)
        step["pending"] = [migration.revision for migration in plan.pending]
    ledger.note_schema(release.id, Schema(plan.tool, plan.heads))
    return {"changed": True, "unchanged": False, "release": brief(release), "plan": plan.as_dict(), "diff": changes}


def _make_room(stage: Stage, host: Snapshot) -> None:
    retention.prune(stage.paths, host.ledger, host.live, int(stage.settings["keep"]))
    still = preflight.disk(stage.settings, host.release.image.reference if host.release else None)
    if still is not None:
        raise still


def _unchanged(host: Snapshot) -> Result:
    return {"changed": False, "unchanged": True, "release": brief(host.release), "plan": Plan().as_dict()}
