#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""First stage of a deploy."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_prepare
short_description: Prepare a release of an app on a host
version_added: 1.0.0
description:
  - Looks whether the host can take a release and what digest the tag means, clears up after a run that died, takes the right to
    release, pulls the image by digest, and writes the release's bundle (Compose file, environment, secrets, settings).
  - Refuses an image that declares a C(VOLUME) which nothing is mounted at, and has the volumes of the release on the host.
  - Then asks the image which migrations it has, and the database which of them it lacks.
  - Nothing that users see changes. When the live release is the same already, and the database fits it, nothing changes at all.
  - The image is asked in a container that has no network and only placeholders for secrets, and that does not run the image's entrypoint,
    so that a plan cannot change anything, whatever the image does. What cannot be known there is reported as the warning C(PLAN_UNKNOWN).
  - In check mode an image that is not on the host is fetched to read its migrations, and removed again.
extends_documentation_fragment:
  - fairlead.fastapi.stage
  - fairlead.fastapi.stage.begin
attributes:
  diff_mode:
    support: full
    description: Compares with the live release; secrets are shown only as set or changed.
options:
  image:
    description: Image repository, without a tag.
    type: str
    required: true
  tag:
    description: Tag to release. It is resolved to a digest once; only the digest is used from then on.
    type: str
    required: true
  compose:
    description: The rendered Compose file.
    type: str
    required: true
  environment:
    description: Environment variables of the app.
    type: dict
    default: {}
  secrets:
    description: Secrets of the app by name.
    type: dict
    default: {}
  secrets_as:
    description: Whether the app reads its secrets from files in C(/run/secrets) or from its environment.
    type: str
    choices: [file, environment]
    default: file
  migrate_environment:
    description: Environment variables laid over O(environment) for migrations alone.
    type: dict
    default: {}
  migrate_secrets:
    description: Secrets laid over O(secrets) for migrations alone.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Prepare the release
  fairlead.fastapi.release_prepare:
    app: shop
    run: 5f0c2a
    owner: alice@laptop
    image: registry.example.com/acme/shop
    tag: 3f2c1ab
    compose: "{{ lookup('ansible.builtin.template', 'compose.yaml.j2') }}"
    environment:
      LOG_LEVEL: info
    secrets:
      database_password: "{{ vault_database_password }}"
    settings: "{{ settings }}"
"""

RETURN = r"""
release:
  description: The release prepared, or the live one when it is the same already.
  returned: success
  type: dict
plan:
  description:
    - What there is to migrate - C(tool), C(heads) of the image, C(revision) of the database, C(fresh) when it has no tables, and
      C(pending), a list of migrations with C(revision), C(down), C(title) and C(sql), which is null where it cannot be known without
      running them.
    - C(unknown) says what is not known, and why. C(due) is whether M(fairlead.fastapi.release_migrate) has anything to run.
  returned: success
  type: dict
unchanged:
  description: Whether the live release is the same already, so that there is nothing to do.
  returned: success
  type: bool
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
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import BEGIN_OPTIONS, Result, Stage, brief, main
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.unchanged import is_same
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes import app_volumes
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

OPTIONS = {
    **BEGIN_OPTIONS,
    "image": {"type": "str", "required": True},
    "tag": {"type": "str", "required": True},
    "compose": {"type": "str", "required": True},
    "environment": {"type": "dict", "default": {}},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "secrets_as": {"type": "str", "choices": ["file", "environment"], "default": "file"},
    "migrate_environment": {"type": "dict", "default": {}},
    "migrate_secrets": {"type": "dict", "default": {}, "no_log": True},
}


def prepare(stage: Stage) -> Result:
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
        remote = stage.registry(p["image"]).resolve(p["tag"])
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
        plan = planned(stage, image, ledger)
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


if __name__ == "__main__":
    main(prepare, OPTIONS)
