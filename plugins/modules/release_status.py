#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is live on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_status
short_description: Tell which release of an app is live on a host
version_added: 1.0.0
description:
  - Reads the route, the record of releases and the engine, and asks the live release whether it is ready. Changes nothing.
  - Compares what runs with what was recorded - image, bundle, environment, route, edge and data services.
options:
  app:
    description: The app's name.
    type: str
    required: true
  strict:
    description: Fail when anything differs from what was recorded.
    type: bool
    default: false
requirements:
  - Python 3.9 or newer and Docker Engine, on the host.
attributes:
  check_mode:
    support: full
    description: Only reads.
  diff_mode:
    support: none
    description: Changes nothing.
author:
  - Fairlead contributors (@fairlead)
"""

EXAMPLES = r"""
- name: Ask what is live
  fairlead.fastapi.release_status:
    app: shop
  register: status
"""

RETURN = r"""
live:
  description: The live release; null when nothing is live.
  returned: success
  type: dict
health:
  description: V(ready), or what is wrong with the live release.
  returned: success
  type: str
previous:
  description: The release that a rollback would go back to; null when there is none.
  returned: success
  type: dict
releases:
  description: All releases on record, newest first.
  returned: success
  type: list
  elements: dict
drift:
  description: What differs from what was recorded, one sentence each.
  returned: success
  type: list
  elements: str
backup:
  description:
    - The newest backup (C(newest), null when there is none), how many there are (C(count)), how each kind went last (C(outcomes)),
      whether a drill restored the newest one (C(proved)), and what is wrong with them (C(problem)).
  returned: success
  type: dict
maintenance:
  description: Whether users get the maintenance page.
  returned: success
  type: bool
run:
  description: The last run, and whether it is unfinished; null when there was none.
  returned: success
  type: dict
"""

from typing import Any, Dict, List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils import _backup_state, _drift
from ansible_collections.fairlead.fastapi.plugins.module_utils._bundle import has_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._journal import ENDS
from ansible_collections.fairlead.fastapi.plugins.module_utils._ledger import Ledger, read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._preflight import require_directories
from ansible_collections.fairlead.fastapi.plugins.module_utils._probe import verdict
from ansible_collections.fairlead.fastapi.plugins.module_utils._rules import find, rollback_target
from ansible_collections.fairlead.fastapi.plugins.module_utils._stage import APP_OPTION, Result, Stage, brief, main


def status(stage: Stage) -> Result:
    """Read everything, change nothing."""
    require_directories(stage.paths)
    ledger = Ledger(stage.paths)
    live = read_route(stage.paths)
    drift = [f"{damage}; the next run rebuilds it" for damage in (ledger.damage, stage.journal.read().damage) if damage]
    drift += _drift.findings(stage.paths, ledger, live).all
    backup = _backup_state.state(stage.paths)
    if stage.params["strict"] and backup["problem"]:
        drift.append(f"backups: {backup['problem']}")
    if stage.params["strict"] and drift:
        raise ReleaseError(
            "DRIFT",
            f"what runs on this host is not what was recorded, in {len(drift)} ways",
            "deploy the same tag again: what differs is made anew (data services and proxy by playbooks/provision.yml)",
            drift,
        )
    return {
        "changed": False,
        "live": brief(find(ledger.releases, live)),
        "health": _health(stage, live) if live else "nothing is live",
        "previous": brief(rollback_target(ledger.releases, live).record),
        "releases": [brief(record) for record in reversed(ledger.releases)],
        "drift": drift,
        "backup": backup,
        "maintenance": stage.paths.maintenance.is_file(),
        "run": _last_run(stage),
    }


def _last_run(stage: Stage) -> Optional[Dict[str, Any]]:
    entry = stage.journal.read().body
    if entry is None:
        return None
    keys = ("run", "owner", "action", "release", "phase", "since", "code")
    return {**{key: entry[key] for key in keys}, "unfinished": entry["phase"] not in ENDS}


def _health(stage: Stage, live: str) -> str:
    if not has_record(stage.paths, live):
        return "its bundle is damaged or gone"
    release = Candidate(stage.paths, live)
    container = release.container()
    if container is None:
        return "its container is gone"
    problems: List[str] = []
    if not container["State"]["Running"] or container["State"].get("Restarting"):
        return f"its container is {container['State']['Status']} (exit code {container['State']['ExitCode']})"
    answer = release.listener(container).get(release.settings["ready_path"])
    problems += filter(None, [verdict(answer, release.settings["identity"], live)])
    if container.get("RestartCount"):
        problems.append(f"restarted {container['RestartCount']} times after it ended by itself")
    return "; ".join(problems) or "ready"


if __name__ == "__main__":
    main(status, {**APP_OPTION, "strict": {"type": "bool", "default": False}})
