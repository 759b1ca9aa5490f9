#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Last stage of a deploy and of a rollback."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_finish
short_description: Finish a release that is in service
version_added: 1.0.0
description:
  - Has the engine keep the live release running, stops what ran before after its last request, removes releases that no
    rollback needs any more, and gives the right to release back.
extends_documentation_fragment:
  - fairlead.fastapi.stage
  - fairlead.fastapi.stage.release
"""

EXAMPLES = r"""
- name: Finish the release
  fairlead.fastapi.release_finish:
    app: shop
    run: 5f0c2a
    owner: alice@laptop
    release: r12
"""

RETURN = r"""
release:
  description: The live release.
  returned: success, except in check mode
  type: dict
stopped:
  description: Ids of the releases that were stopped; they are kept for a rollback.
  returned: success, except in check mode
  type: list
  elements: str
pruned:
  description: Ids of the releases that were removed.
  returned: success, except in check mode
  type: list
  elements: str
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

import time
from typing import List

from ansible_collections.fairlead.fastapi.plugins.module_utils import _docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._candidate import Candidate, remove_release
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._ledger import Ledger, read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._rules import prunable
from ansible_collections.fairlead.fastapi.plugins.module_utils._stage import (
    RELEASE_OPTION,
    STAGE_OPTIONS,
    Result,
    Stage,
    brief,
    main,
    stop_release,
)


def finish(stage: Stage) -> Result:
    """Stop the old, remove the oldest, give the lease back."""
    if stage.check_mode:
        return {"changed": True}
    with stage.lock():
        ledger = stage.resume()
        live = Candidate(stage.paths, stage.params["release"])
        _require_live(stage, live)
        with stage.steps.step("keep"):
            for container in _docker.containers(stage.paths.app, live.id):
                _docker.keep_running(container["Id"])
        with stage.steps.step("drain"):
            stopped = _stop_others(stage, live)
        with stage.steps.step("prune"):
            pruned = _prune(stage, ledger, int(live.settings["keep"]))
        stage.lease.release()
        return {"changed": True, "release": brief(ledger.get(live.id)), "stopped": stopped, "pruned": pruned}


def _require_live(stage: Stage, release: Candidate) -> None:
    named = read_route(stage.paths)
    if named != release.id:
        raise ReleaseError(
            "NOT_LIVE",
            f"{release.title} is not live here, {named or 'nothing'} is",
            "look at playbooks/status.yml, then deploy again",
        )


def _stop_others(stage: Stage, live: Candidate) -> List[str]:
    """Stop every other release that runs, once requests routed to it just before the switch have arrived there."""
    others = [release for release in _docker.running_releases(stage.paths.app) if release != live.id]
    if others:
        settle = float(live.settings["drain_seconds"])
        since_switch = time.time() - stage.paths.route.stat().st_mtime
        # A clock that was set meanwhile must neither skip nor stretch this.
        time.sleep(min(max(settle - since_switch, 0.0), settle))
    for release in others:
        stop_release(stage.paths.app, release)
    return others


def _prune(stage: Stage, ledger: Ledger, keep: int) -> List[str]:
    gone = prunable(ledger.releases, read_route(stage.paths), keep)
    for release in gone:
        record = ledger.get(release)
        remove_release(stage.paths, release)
        record["status"] = "pruned"
        ledger.save()
        reference = f"{record['image']}@{record['digest']}"
        if all(f"{r['image']}@{r['digest']}" != reference for r in ledger.releases if r["status"] in ("live", "kept")):
            _docker.remove_image(reference)
    return gone


if __name__ == "__main__":
    main(finish, {**STAGE_OPTIONS, **RELEASE_OPTION})
