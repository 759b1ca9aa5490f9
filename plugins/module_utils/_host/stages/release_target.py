# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""First stage of a rollback."""

from __future__ import annotations

from typing import Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import rotation
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import read_secrets
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import rollback_target
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import Release
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.snapshot import Snapshot, observe
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import drift, preflight, way_back
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Result, Stage, brief
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes import app_volumes
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


def run(stage: Stage) -> Result:
    """Choose the target and see that it can be started."""
    preflight.require_host(stage.paths, stage.settings)
    with stage.lock():
        host = observe(stage.paths)
        with stage.steps.step("preflight"):
            preflight.raise_all(preflight.look(stage.paths, stage.settings, host.container))
            stage.warnings += preflight.warnings(stage.settings, stage.params["controller_clock"])
        if stage.check_mode:
            return _chosen(stage, host)[1]
        host = stage.recover(host)
        target, result = _chosen(stage, host)
        stage.warnings += [f"DRIFT: {change} since it was live" for change in drift.edited(stage.paths, target.record)]
        stage.journal.begin("rollback", host.live)
        with stage.steps.step("image"):
            _bring_image(stage, host.ledger.get(target.id))
        # Not refused: users wait for it, and whatever it kept that way is still with its container.
        unmapped = app_volumes.unmapped_problem(target.title, target.image, target.settings)
        stage.warnings += [f"{unmapped.code}: {unmapped.what}"] if unmapped else []
        stage.journal.enter("PREPARED", target.id)
        stage.journal.pause()
        return result


def _chosen(stage: Stage, host: Snapshot) -> Tuple[Candidate, Result]:
    """Return the release to go back to, and the result that describes it.

    Raises:
        ReleaseError: NO_TARGET, SITE_MISMATCH, ROLLBACK_SECRETS, ROLLBACK_SCHEMA, BUNDLE_MISSING or STATE_CORRUPT.
    """
    found = rollback_target(host.ledger.releases, host.live, stage.params["release"] or None)
    release = found.release
    if release is None:
        raise ReleaseError(
            "NO_TARGET",
            f"cannot roll back: {found.problem}",
            "see playbooks/status.yml for the releases kept here, or deploy a tag",
        )
    target = Candidate(stage.paths, release.id)
    preflight.raise_all(preflight.site(stage.paths, target.settings, target.id))
    with stage.steps.step("secrets"):
        _refuse_old_passwords(stage, host, target)
    with stage.steps.step("schema"):
        downgrade = way_back.downgrade(stage, host.ledger, release, target.for_migrations)
    return target, {"changed": True, "release": brief(release), "from_release": brief(host.release), "downgrade": downgrade}


def _refuse_old_passwords(stage: Stage, host: Snapshot, target: Candidate) -> None:
    """Check that the target does not bring back a password that was changed since.

    Raises:
        ReleaseError: ROLLBACK_SECRETS, which names the secrets.
    """
    if host.bundle is None:
        return
    live = host.bundle.release.id
    database = find_database(stage.paths)
    then, now = rotation.values(stage.paths, target.id), rotation.values(stage.paths, live)
    names = rotation.outdated(now, then, rotation.accepted(stage.paths, database))
    changed = [name for name in rotation.changed(now, then) if name in read_secrets(stage.paths, live)]
    if changed and not names and database is not None and database.container is None:
        stage.warnings.append(
            f"SECRETS_CHANGED: {target.id} has earlier values of {', '.join(changed)}; whether the database elsewhere still accepts "
            "them is not known here"
        )
    if names:
        raise ReleaseError(
            "ROLLBACK_SECRETS",
            f"{target.title} has earlier values of {', '.join(names)}, which the data services no longer accept: "
            "its users would get errors",
            f"deploy its image with the current values: playbooks/deploy.yml -e image_tag={target.record.release.image.tag}",
        )


def _bring_image(stage: Stage, target: Release) -> None:
    try:
        stage.registry(target.image.repository).pull(target.image.digest)
    except ReleaseError as error:
        raise ReleaseError(
            "ROLLBACK_IMAGE",
            f"the image of {target.title}, {target.image.digest}, is gone from this host and cannot be fetched again: "
            f"{error.code}: {error.what}",
            f"{error.todo}; or roll back to another release: playbooks/status.yml shows them",
            error.details,
        ) from error
