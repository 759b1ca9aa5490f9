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
  - Pulls its image again, by digest, when it is gone from the host. Its configuration is the one it ran with.
extends_documentation_fragment:
  - fairlead.fastapi.stage
options:
  release:
    description: Id of the release to go back to; empty for the one that was live before.
    type: str
    default: ''
  registry_username:
    description: User at the image's registry; empty for anonymous.
    type: str
    default: ''
  registry_password:
    description: That user's password.
    type: str
    default: ''
  settings:
    description: How the host is checked beforehand; see M(fairlead.fastapi.release_prepare).
    type: dict
    required: true
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
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._ledger import Ledger, read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._rules import Record, find, rollback_target
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
    "release": {"type": "str", "default": ""},
    "registry_username": {"type": "str", "default": ""},
    "registry_password": {"type": "str", "default": "", "no_log": True},
    "settings": {"type": "dict", "required": True},
}


def choose(stage: Stage) -> Result:
    """Choose the target and see that it can be started."""
    with stage.steps.step("preflight"):
        _preflight.check(stage.paths, stage.params["settings"])
    with stage.lock():
        if stage.check_mode:
            stage.lease.check_free()
            return _chosen(stage, Ledger(stage.paths))
        ledger = stage.open()
        try:
            result = _chosen(stage, ledger)
            with stage.steps.step("image"):
                _bring_image(stage, ledger.get(result["release"]["id"]))
        except ReleaseError:
            stage.lease.release()
            raise
        stage.lease.take(LEASE_SECONDS)
        return result


def _chosen(stage: Stage, ledger: Ledger) -> Result:
    live = read_route(stage.paths)
    target = rollback_target(ledger.releases, live, stage.params["release"] or None)
    if target.record is None:
        raise ReleaseError(
            "NO_TARGET",
            f"cannot roll back: {target.problem}",
            "see playbooks/status.yml for the releases kept here, or deploy a tag",
        )
    return {"changed": True, "release": brief(target.record), "from_release": brief(find(ledger.releases, live))}


def _bring_image(stage: Stage, record: Record) -> None:
    reference = f"{record['image']}@{record['digest']}"
    if _docker.has_image(reference):
        return
    seconds = float(stage.params["settings"]["pull_seconds"])
    with _docker.registry_login(record["image"], stage.params["registry_username"], stage.params["registry_password"]) as login:
        _docker.pull(reference, login, seconds)


if __name__ == "__main__":
    main(choose, OPTIONS)
