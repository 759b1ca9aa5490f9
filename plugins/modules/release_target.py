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
  - fairlead.fastapi.stage.begin
options:
  release:
    description: Id of the release to go back to; empty for the one that was live before.
    type: str
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

from ansible_collections.fairlead.fastapi.plugins.module_utils import _drift, _preflight
from ansible_collections.fairlead.fastapi.plugins.module_utils._bundle import has_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._ledger import Ledger, read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._rules import Record, find, rollback_target
from ansible_collections.fairlead.fastapi.plugins.module_utils._stage import (
    BEGIN_OPTIONS,
    Result,
    Stage,
    brief,
    main,
)

OPTIONS = {**BEGIN_OPTIONS, "release": {"type": "str", "default": ""}}


def choose(stage: Stage) -> Result:
    """Choose the target and see that it can be started."""
    settings = stage.params["settings"]
    with stage.steps.step("preflight"):
        live = read_route(stage.paths)
        running = Candidate(stage.paths, live).container() if live and has_record(stage.paths, live) else None
        _preflight.raise_all(_preflight.look(stage.paths, settings, running))
        stage.warnings += _preflight.warnings(settings, stage.params["controller_clock"])
    with stage.lock():
        if stage.check_mode:
            return _chosen(stage, Ledger(stage.paths))
        ledger = stage.recover()
        result = _chosen(stage, ledger)
        target = Candidate(stage.paths, result["release"]["id"])
        stage.warnings += [f"DRIFT: {change} since it was live" for change in _drift.edited(stage.paths, target)]
        stage.journal.begin("rollback", read_route(stage.paths))
        with stage.steps.step("image"):
            _bring_image(stage, ledger.get(result["release"]["id"]))
        stage.journal.enter("PREPARED", result["release"]["id"])
        stage.journal.pause()
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
    try:
        stage.registry(record["image"]).pull(record["digest"])
    except ReleaseError as error:
        raise ReleaseError(
            "ROLLBACK_IMAGE",
            f"the image of {record['id']} ({record['tag']}, {record['digest']}) is gone from this host and cannot be fetched again: "
            f"{error.code}: {error.what}",
            f"{error.todo}; or roll back to another release: playbooks/status.yml shows them",
            error.details,
        ) from error


if __name__ == "__main__":
    main(choose, OPTIONS)
