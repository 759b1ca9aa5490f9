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
      - What becomes of migrations that took something away from the target, or of which nobody can tell whether they did.
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

import contextlib
from dataclasses import replace
from typing import Any, Dict, List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations import distance, schema
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.image import Image
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database, described, find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import rotation
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import has_record, read_secrets
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import find, known_migrations, rollback_target
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import Ledger, read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import Release, Schema
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import drift, preflight
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
    settings = stage.settings
    stage.await_turn()
    with stage.steps.step("preflight"):
        live = read_route(stage.paths)
        running = Candidate(stage.paths, live).container() if live and has_record(stage.paths, live) else None
        preflight.raise_all(preflight.look(stage.paths, settings, running))
        stage.warnings += preflight.warnings(settings, stage.params["controller_clock"])
    with stage.lock():
        if stage.check_mode:
            return _chosen(stage, Ledger(stage.paths))
        ledger = stage.recover()
        result = _chosen(stage, ledger)
        target = Candidate(stage.paths, result["release"]["id"])
        stage.warnings += [f"DRIFT: {change} since it was live" for change in drift.edited(stage.paths, target)]
        stage.journal.begin("rollback", read_route(stage.paths))
        with stage.steps.step("image"):
            _bring_image(stage, ledger.get(target.id))
        # Not refused: users wait for it, and whatever it kept that way is still with its container.
        unmapped = app_volumes.unmapped_problem(target.title, target.image, target.settings)
        stage.warnings += [f"{unmapped.code}: {unmapped.what}"] if unmapped else []
        stage.journal.enter("PREPARED", target.id)
        stage.journal.pause()
        return result


def _chosen(stage: Stage, ledger: Ledger) -> Result:
    live = read_route(stage.paths)
    target = rollback_target(ledger.releases, live, stage.params["release"] or None)
    release = target.release
    if release is None:
        raise ReleaseError(
            "NO_TARGET",
            f"cannot roll back: {target.problem}",
            "see playbooks/status.yml for the releases kept here, or deploy a tag",
        )
    preflight.raise_all(preflight.site(stage.paths, Candidate(stage.paths, release.id).settings, release.id))
    with stage.steps.step("secrets"):
        _refuse_old_passwords(stage, str(live), release)
    with stage.steps.step("schema"):
        downgrade = _downgrade(stage, ledger, release)
    from_release = brief(find(ledger.releases, live))
    return {"changed": True, "release": brief(release), "from_release": from_release, "downgrade": downgrade}


def _refuse_old_passwords(stage: Stage, live: str, target: Release) -> None:
    """Check that the target does not bring back a password that was changed since.

    Raises:
        ReleaseError: ROLLBACK_SECRETS, which names the secrets.
    """
    if not has_record(stage.paths, live):
        return
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
            f"deploy its image with the current values: playbooks/deploy.yml -e image_tag={target.image.tag}",
        )


def _downgrade(stage: Stage, ledger: Ledger, target: Release) -> Optional[Dict[str, Any]]:
    """Return what has to be undone in the database for the target.

    Raises:
        ReleaseError: ROLLBACK_SCHEMA when something may have to be, and nobody said what becomes of it.
    """
    image, wanted = Candidate(stage.paths, target.id).for_migrations, stage.params["schema"]
    database = find_database(stage.paths) if image.tool != schema.NONE else None
    if database is None:
        return None
    if wanted == "keep":
        _accept(stage, ledger, target, image, database)
        return None
    revision = _revision(image, database)
    heads = target.heads
    way = distance.distance(known_migrations(ledger.releases), heads, revision)
    if way.harmless:
        return None
    by = None
    if image.tool == schema.ALEMBIC and not way.problem and len(heads) == 1:
        by = next((release.id for release in reversed(ledger.releases) if _is_for(stage, release, revision)), None)
    if wanted == "downgrade" and by:
        return {"by": by, "to": heads[0], "revision": revision}
    why = way.problem or f"since it was live, {len(way.crossed)} migrations changed what it was made for"
    raise ReleaseError(
        "ROLLBACK_SCHEMA",
        f"{target.title} was made for {described(heads)}, the database is at {described(revision)}: {why}",
        "choose one: " + "; ".join(_ways_out(ledger, target, way, by)),
        distance.gate_lines(way.crossed),
    )


def _accept(stage: Stage, ledger: Ledger, target: Release, image: Image, database: Database) -> None:
    """Note that the target may run with the database as it is, so that the same again, asked for by its tag, is what was wanted."""
    with contextlib.suppress(ReleaseError):  # also where the database does not answer
        revision = _revision(image, database)
        if not stage.check_mode:
            ledger.note_schema(target.id, replace(target.schema or Schema(image.tool), accepted=revision))


def _revision(image: Image, database: Database) -> List[str]:
    if image.tool == schema.ALEMBIC:
        return list(database.look(image.settings["migrate_version_table"]).revision)
    return [schema.CHECKSUM + database.schema_checksum()]


def _is_for(stage: Stage, release: Release, revision: List[str]) -> bool:
    return bool(release.heads) and sorted(release.heads) == sorted(revision) and has_record(stage.paths, release.id)


def _ways_out(ledger: Ledger, target: Release, way: distance.Distance, by: Optional[str]) -> List[str]:
    first = way.crossed[-1].revision if way.crossed else None
    backups = [
        release.schema.backup
        for release in reversed(ledger.releases)  # when it was tried more than once, the last time is when it was run
        if release.schema and release.schema.backup and first in {migration.revision for migration in release.schema.migrations}
    ]
    ways = ["1. go forward: deploy a release with the fault fixed"]
    if by:
        ways.append(f"2. -e schema=downgrade: {by}'s image undoes the migrations, after a backup; what they added is lost")
    else:
        ways.append("2. (-e schema=downgrade is not possible: no release on this host is known to have the way back)")
    if backups:
        when = f"{backups[0][:4]}-{backups[0][4:6]}-{backups[0][6:8]} {backups[0][9:11]}:{backups[0][11:13]} UTC"
        ways.append(
            f"3. playbooks/restore.yml -e backup={backups[0]}, from before them, then this again: what was written since {when} is lost"
        )
    else:
        ways.append(
            "3. playbooks/restore.yml with a backup from before them (playbooks/status.yml lists them): what was written since is lost"
        )
    return [*ways, f"or -e schema=keep, if you know that {target.id} works with the database as it is"]


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
