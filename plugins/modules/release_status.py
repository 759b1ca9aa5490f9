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
options:
  app:
    description: The app's name.
    type: str
    required: true
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
lease:
  description: Who is releasing now; null when nobody is.
  returned: success
  type: dict
"""

from ansible_collections.fairlead.fastapi.plugins.module_utils._candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._files import read_json
from ansible_collections.fairlead.fastapi.plugins.module_utils._ledger import LEASE_KEYS, Ledger, read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._preflight import require_directories
from ansible_collections.fairlead.fastapi.plugins.module_utils._probe import verdict
from ansible_collections.fairlead.fastapi.plugins.module_utils._rules import find, rollback_target
from ansible_collections.fairlead.fastapi.plugins.module_utils._stage import APP_OPTION, Result, Stage, brief, main


def status(stage: Stage) -> Result:
    """Read everything, change nothing."""
    require_directories(stage.paths)
    ledger = Ledger(stage.paths)
    live = read_route(stage.paths)
    lease = read_json(stage.paths.lease, LEASE_KEYS)
    return {
        "changed": False,
        "live": brief(find(ledger.releases, live)),
        "health": _health(stage, live) if live else "nothing is live",
        "previous": brief(rollback_target(ledger.releases, live).record),
        "releases": [brief(record) for record in reversed(ledger.releases)],
        "lease": lease and {key: lease[key] for key in ("owner", "since", "until")},
    }


def _health(stage: Stage, live: str) -> str:
    release = Candidate(stage.paths, live)
    container = release.container()
    if container is None:
        return "its container is gone"
    if not container["State"]["Running"]:
        return f"its container is {container['State']['Status']} (exit code {container['State']['ExitCode']})"
    answer = release.listener(container).get(release.settings["ready_path"])
    return verdict(answer, release.settings["identity"], live) or "ready"


if __name__ == "__main__":
    main(status, APP_OPTION)
