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
  - Asks the public listener, over TLS with a verified certificate and at each of the app's names, for liveness, readiness and
    documentation, and checks that the release the route names is the one that answers. Wildcards are not asked. Changes nothing.
  - Checks that names which redirect lead to the same address under the canonical name.
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

import ssl
from pathlib import Path
from typing import Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import verdict, verified_context
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import edge, site
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import read_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.preflight import require_directories
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import APP_OPTION, Result, Stage, main
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


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
    settings = read_record(stage.paths, live).settings
    context = verified_context(Path(stage.params["authority"]) if stage.params["authority"] else None)
    names = site.hosts(stage.paths, settings)
    paths = [path for path in (settings["live_path"], settings["ready_path"], settings["docs_path"]) if path]
    asked = [_ask(settings, name, path, live, context) for name in names for path in paths]
    asked += [_follow(settings, name, names[0], context) for name in site.redirects(stage.paths, settings)]
    problems = [line for line, good in asked if not good]
    checks = [line for line, good in asked if good]
    if problems:
        raise ReleaseError(
            "SMOKE_FAILED",
            f"{len(problems)} of {len(problems) + len(checks)} checks failed",
            "see the answers below",
            problems,
        )
    return {"changed": False, "release": live, "checks": checks}


def _ask(settings: Settings, name: str, path: str, live: str, context: ssl.SSLContext) -> Tuple[str, bool]:
    """Return what was asked and answered at one address, and whether that is good."""
    answer = edge.listener(settings, name, context).get(path)
    problem = verdict(answer, _identity(settings, path), live)
    return f"https://{name}{path}: {problem or f'HTTP {answer.status}'}", not problem


def _follow(settings: Settings, name: str, canonical: str, context: ssl.SSLContext) -> Tuple[str, bool]:
    """Return where a name redirects to, and whether that is the same address under the canonical name."""
    path = f"{settings['ready_path']}?from={name}"
    answer = edge.listener(settings, name, context).get(path)
    good = answer.status in (301, 308) and answer.headers.get("location") == f"https://{canonical}{path}"
    return f"https://{name}{path}: {f'HTTP {answer.status} to' if good else answer} {answer.headers.get('location', '')}".rstrip(), good


def _identity(settings: Settings, path: str) -> str:
    """A key of the readiness answer cannot be looked for elsewhere; a header is on every answer."""
    identity = str(settings["identity"])
    return "none" if identity.startswith("json:") and path != settings["ready_path"] else identity


if __name__ == "__main__":
    main(smoke, {**APP_OPTION, "authority": {"type": "path"}})
