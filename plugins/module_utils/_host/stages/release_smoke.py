# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Questions to the live release as users ask them."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import verdict, verified_context
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import edge, site
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import read_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.preflight import require_directories
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Result, Stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


def run(stage: Stage) -> Result:
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
