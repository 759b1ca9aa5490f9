#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Questions to the live release as users ask them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_smoke
short_description: Check the live release through its public address
version_added: 1.0.0
description:
  - Asks the public listener, over TLS with a verified certificate, for liveness, readiness and documentation,
    and checks that the release the route names is the one that answers. Changes nothing.
options:
  app:
    description: The app's name.
    type: str
    required: true
  authority:
    description: File on the host with one more certificate authority to trust, such as the proxy's own; ignored when absent.
    type: path
requirements:
  - Python 3.9 or newer on the host.
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
- name: Check the live release through its public address
  fairlead.fastapi.release_smoke:
    app: shop
"""

RETURN = r"""
checks:
  description: What was asked and answered.
  returned: success
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any, Dict, List

from ansible_collections.fairlead.fastapi.plugins.module_utils._bundle import read_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._ledger import read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._preflight import require_directories
from ansible_collections.fairlead.fastapi.plugins.module_utils._probe import Listener, verdict, verified_context
from ansible_collections.fairlead.fastapi.plugins.module_utils._stage import APP_OPTION, Result, Stage, main

PATHS = ("live_path", "ready_path", "docs_path")


def smoke(stage: Stage) -> Result:
    """Ask for each path, and tell all that is wrong at once."""
    require_directories(stage.paths)
    live = read_route(stage.paths)
    if live is None:
        raise ReleaseError(
            "NOTHING_LIVE",
            f"no release of {stage.paths.app} is live here",
            "deploy one: playbooks/deploy.yml -e image_tag=…",
        )
    settings = read_record(stage.paths, live)["settings"]
    problems: List[str] = []
    checks: List[str] = []
    for path in filter(None, (settings[name] for name in PATHS)):
        answer = _listener(stage, settings).get(path)
        problem = verdict(answer, _identity(settings, path), live)
        url = f"https://{settings['domain']}{path}"
        (problems if problem else checks).append(f"{url}: {problem or f'HTTP {answer.status}'}")
    if problems:
        raise ReleaseError(
            "SMOKE_FAILED",
            f"{len(problems)} of {len(problems) + len(checks)} checks failed",
            "see the answers below",
            problems,
        )
    return {"changed": False, "release": live, "checks": checks}


def _listener(stage: Stage, settings: Dict[str, Any]) -> Listener:
    authority = stage.params["authority"]
    context = verified_context(Path(authority) if authority else None)
    return Listener(address=settings["public_address"], port=int(settings["public_port"]), domain=settings["domain"], tls=context)


def _identity(settings: Dict[str, Any], path: str) -> str:
    """A key of the readiness answer cannot be looked for elsewhere; a header is on every answer."""
    identity = str(settings["identity"])
    return "none" if identity.startswith("json:") and path != settings["ready_path"] else identity


if __name__ == "__main__":
    main(smoke, {**APP_OPTION, "authority": {"type": "path"}})
