#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""First stage of a rollback."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_target
short_description: Choose the release to roll back to
version_added: 1.0.0
description:
  - Takes the right to release and chooses the release that was live before the live one, or the one asked for.
  - Refuses a release whose password for a data service was changed since; its tag can be deployed again with that of today.
  - Compares what it was made for with what the database is at. Migrations in between that it may not be able to live with refuse the
    rollback.
  - Pulls its image again, by digest, when it is gone from the host. Its configuration is the one it ran with.
extends_documentation_fragment:
  - fairlead.fastapi.stage
  - fairlead.fastapi.stage.begin
options:
  release:
    description: Id of the release to go back to; empty for the one that was live before.
    type: str
    default: ''
  schema:
    description:
      - What becomes of migrations that took something away from the target, or may have done so.
      - Empty refuses the rollback, and names them.
      - V(downgrade) has M(fairlead.fastapi.release_downgrade) undo them first, by the image that brought them.
      - V(keep) leaves the database as it is, on the word of whoever runs this.
    type: str
    choices: ['', downgrade, keep]
    default: ''
"""

EXAMPLES = r"""
- name: Choose the release to roll back to
  fairlead.fastapi.release_target:
    app: shop
    run: 5f0c2a
    owner: alice@laptop
    settings: "{{ settings }}"
"""

RETURN = r"""
release:
  description: The release to go back to.
  returned: success
  type: dict
from_release:
  description: The live release.
  returned: success
  type: dict
downgrade:
  description:
    - What is to be undone in the database first - C(by), the release whose image does it, C(to) and C(revision), the database's revision
      then and now. Null when nothing is.
  returned: success
  type: dict
steps:
  description: What was done, in order, with seconds.
  returned: always
  type: list
  elements: dict
code:
  description: Stable failure code.
  returned: failure
  type: str
serving:
  description: The release that users get now.
  returned: failure
  type: str
"""


from typing import Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import rotation
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import read_secrets
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import rollback_target
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import Release
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.snapshot import Snapshot, observe
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import drift, preflight, way_back
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import BEGIN_OPTIONS, Result, Stage, brief, main
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes import app_volumes
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

OPTIONS = {
    **BEGIN_OPTIONS,
    "release": {"type": "str", "default": ""},
    "schema": {"type": "str", "choices": ["", "downgrade", "keep"], "default": ""},
}


def choose(stage: Stage) -> Result:
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


if __name__ == "__main__":
    main(choose, OPTIONS)
