# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's site at the proxy of a host."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, Dict, List

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import site as _site
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import site_write
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared import domains
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import MASK, ReleaseError

# Also one that the site had before: nobody hands over that one any more.
_HASH = re.compile(r"\$2[aby]\$\S+")


def work(p: Dict[str, Any], paths: AppPaths, edge: Path, check_mode: bool) -> Dict[str, Any]:
    """Check the names and, where there is a site, write it.

    Raises:
        ReleaseError: DOMAIN_TAKEN, PROXY_CONFIG or STATE_WRITE; nothing was written.
    """
    earlier = _site.earlier_releases(paths, p["listen"], p["port"])
    site = _site.Site(domains.normalised(p["domains"]), p["listen"], p["port"], p["open_paths"], earlier)
    _refuse_taken(p["app"], site, edge)
    told = {"served": _names(site, redirect=False), "redirected": _names(site, redirect=True), "earlier": _grouped(earlier)}
    if not p["site"]:
        return {"changed": False, **told}
    pem = f"{p['certificate'].strip()}\n{p['key'].strip()}\n" if p["certificate"] else ""
    files = site_write.contents(p["app"], edge, site.record() + p["site"], pem)
    unused = site_write.leftovers(p["app"], edge, pem)
    # Also when nothing changes: a proxy that runs may have been left with a configuration that it would not start with again.
    if not check_mode or _can_validate(edge, p["image"]):
        site_write.validate(files, edge, p["image"])
    if not (site_write.changed(files) or unused):
        return {"changed": False, **told}
    file = _site.site_file(p["app"], edge)
    before, after = (_HASH.sub(MASK, text) for text in (site_write.read(file) or "", files[file]))
    diff = {"before_header": str(file), "after_header": str(file), "before": before, "after": after}
    if not check_mode:
        site_write.write(files, p["owner"])
        for each in unused:
            each.unlink()
        site_write.restart_if_failing()
    return {"changed": True, "diff": diff, **told}


def _names(site: _site.Site, redirect: bool) -> List[str]:
    return [d["name"] for d in site.domains if d["redirect"] == redirect]


def _grouped(earlier: Dict[str, str]) -> List[Dict[str, Any]]:
    """Return releases by how they listen: ``socket``, or a port."""
    return [{"upstream": each, "releases": [r for r, how in earlier.items() if how == each]} for each in sorted(set(earlier.values()))]


def _refuse_taken(app: str, site: _site.Site, edge: Path) -> None:
    taken = domains.taken(site.domains, _site.other_domains(app, edge))
    if taken:
        raise ReleaseError(
            "DOMAIN_TAKEN",
            f"{'; '.join(taken)} on this host; the names of this app were not changed",
            "change app_domain or app_domains; or take the name from the other app and run playbooks/provision.yml for that one first; "
            f"or, when that app is gone from this host, remove its site from {edge}/sites",
        )


def _can_validate(edge: Path, image: str) -> bool:
    """Tell whether a host has what a check needs; one that was never provisioned has not."""
    return shutil.which("docker") is not None and (edge / site_write.CADDYFILE).is_file() and docker.has_image(image)


def run(params: Dict[str, Any], check: bool) -> Dict[str, Any]:
    """Check the names of an app's site, and write it."""
    return work(params, AppPaths(params["app"]), _site.EDGE, check)
