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
  - Looks whether the host can take a release, takes the right to release, resolves the image tag to a digest and pulls it,
    and writes the release's bundle (Compose file, environment, secrets, settings).
  - Nothing that users see changes. When the live release is the same already, nothing changes at all.
extends_documentation_fragment:
  - fairlead.fastapi.stage
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
  registry_username:
    description: User at the image's registry; empty for anonymous.
    type: str
    default: ''
  registry_password:
    description: That user's password.
    type: str
    default: ''
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
  settings:
    description: How the release is probed, migrated and stopped. It is kept in the bundle for later stages and for rollbacks.
    type: dict
    required: true
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

from ansible_collections.fairlead.fastapi.plugins.module_utils import _docker, _preflight
from ansible_collections.fairlead.fastapi.plugins.module_utils._bundle import Bundle, difference, has_record, read_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._ledger import Ledger, read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._rules import Record, find, release_id
from ansible_collections.fairlead.fastapi.plugins.module_utils._stage import (
    LEASE_SECONDS,
    STAGE_OPTIONS,
    Result,
    Stage,
    brief,
    main,
)

OPTIONS = {
    **STAGE_OPTIONS,
    "image": {"type": "str", "required": True},
    "tag": {"type": "str", "required": True},
    "registry_username": {"type": "str", "default": ""},
    "registry_password": {"type": "str", "default": "", "no_log": True},
    "compose": {"type": "str", "required": True},
    "environment": {"type": "dict", "default": {}},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "secrets_as": {"type": "str", "choices": ["file", "environment"], "default": "file"},
    "settings": {"type": "dict", "required": True},
}


def prepare(stage: Stage) -> Result:
    """Bring everything of the new release to the host, short of starting it."""
    with stage.steps.step("preflight"):
        _preflight.check(stage.paths, stage.params["settings"])
    with stage.lock():
        if stage.check_mode:
            return _plan(stage, Ledger(stage.paths))
        ledger = stage.open()
        try:
            result = _write(stage, ledger)
        except ReleaseError:
            stage.lease.release()
            raise
        if result["unchanged"]:
            stage.lease.release()
        else:
            stage.lease.take(LEASE_SECONDS)
        return result


def _plan(stage: Stage, ledger: Ledger) -> Result:
    stage.lease.check_free()
    with stage.steps.step("resolve"):
        p = stage.params
        digest = _docker.remote_digest(_reference(stage), p["registry_username"], p["registry_password"], _pull_seconds(stage))
    bundle = _bundle(stage, digest)
    live = read_route(stage.paths)
    if _same(stage, bundle, live):
        return _unchanged(ledger, live)
    record = {
        "id": release_id(ledger.next),
        "image": bundle.image,
        "tag": bundle.tag,
        "digest": digest,
        "previous": live,
    }
    return {
        "changed": True,
        "unchanged": False,
        "release": brief(record),
        "diff": difference(stage.paths, live, bundle),
    }


def _write(stage: Stage, ledger: Ledger) -> Result:
    p = stage.params
    with (
        stage.steps.step("pull") as step,
        _docker.registry_login(p["image"], p["registry_username"], p["registry_password"]) as login,
    ):
        step["digest"] = digest = _docker.pull(_reference(stage), login, _pull_seconds(stage))
    bundle = _bundle(stage, digest)
    live = read_route(stage.paths)
    with stage.steps.step("compare"):
        if _same(stage, bundle, live):
            return _unchanged(ledger, live)
        changes = difference(stage.paths, live, bundle)
    with stage.steps.step("bundle"):
        record = ledger.add(image=bundle.image, tag=bundle.tag, digest=digest, previous=live, owner=stage.params["owner"])
        bundle.write(stage.paths, record["id"])
    return {"changed": True, "unchanged": False, "release": brief(record), "diff": changes}


def _unchanged(ledger: Ledger, live: str | None) -> Result:
    record: Record | None = find(ledger.releases, live)
    return {"changed": False, "unchanged": True, "release": brief(record)}


def _same(stage: Stage, bundle: Bundle, live: str | None) -> bool:
    """Tell whether the live release has the same image and configuration, and the run that put it into service was finished."""
    if live is None or not has_record(stage.paths, live) or read_record(stage.paths, live)["fingerprint"] != bundle.fingerprint():
        return False
    container = Candidate(stage.paths, live).container()
    lasting = container is not None and container["State"]["Running"] and _docker.is_kept_running(container)
    return lasting and _docker.running_releases(stage.paths.app) == [live]


def _reference(stage: Stage) -> str:
    return f"{stage.params['image']}:{stage.params['tag']}"


def _pull_seconds(stage: Stage) -> float:
    return float(stage.params["settings"]["pull_seconds"])


def _bundle(stage: Stage, digest: str) -> Bundle:
    p = stage.params
    return Bundle(
        app=p["app"],
        image=p["image"],
        tag=p["tag"],
        digest=digest,
        compose=p["compose"],
        environment={str(name): _text(value) for name, value in p["environment"].items()},
        secrets={str(name): _text(value) for name, value in p["secrets"].items()},
        secrets_as=p["secrets_as"],
        settings=p["settings"],
    )


def _text(value: object) -> str:
    """Return a value as an environment carries it: YAML's true and false in lower case, as pydantic and most others read them."""
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


if __name__ == "__main__":
    main(prepare, OPTIONS)
