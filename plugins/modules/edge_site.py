#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's site at the proxy of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: edge_site
short_description: Write an app's site for the proxy, if the proxy accepts it
version_added: 1.0.0
description:
  - Checks the app's names against those of the other apps on the host, has the proxy's image read the whole configuration with the
    new site in place, and then writes it. What is refused leaves nothing behind.
  - Without O(site), only the names are checked.
options:
  app:
    description: The app's name.
    type: str
    required: true
  domains:
    description: Names under which the app is served; the first is the canonical one.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Host name, or V(*.) and a host name.
        type: str
        required: true
      redirect:
        description: Whether the name redirects to the first one.
        type: bool
        default: false
      path:
        description: Only V(/).
        type: str
        default: /
  listen:
    description: How the app listens.
    type: str
    choices: [socket, tcp]
    default: socket
  port:
    description: Port of an app that listens on TCP.
    type: int
    default: 8000
  open_paths:
    description: Paths that reach the app during maintenance.
    type: list
    elements: str
    default: []
  site:
    description: The site in the proxy's language.
    type: str
    default: ""
  certificate:
    description: PEM certificate chain; empty when the proxy gets its certificates itself.
    type: str
    default: ""
  key:
    description: PEM key of that certificate.
    type: str
    default: ""
  password_hashes:
    description: Password hashes that the site contains, which are masked in what is shown.
    type: list
    elements: str
    default: []
  image:
    description: The proxy's image.
    type: str
    default: ""
  owner:
    description: User, as a number, that the proxy runs as; only it can read the files.
    type: int
    default: 0
requirements:
  - Python 3.9 or newer and Docker Engine, on the host.
attributes:
  check_mode:
    support: full
    description: Checks the names, and what the proxy says when its image is on the host; writes nothing.
  diff_mode:
    support: full
    description: Shows the site, with password hashes masked, and never the key.
author:
  - Fairlead contributors (@fairlead)
"""

EXAMPLES = r"""
- name: Check that no other app has these names
  fairlead.fastapi.edge_site:
    app: shop
    domains:
      - name: shop.example.com
      - name: www.shop.example.com
        redirect: true
"""

RETURN = r"""
served:
  description: The names under which the app is served, wildcards included, the canonical one first.
  returned: success
  type: list
  elements: str
redirected:
  description: The names that redirect to the canonical one.
  returned: success
  type: list
  elements: str
earlier:
  description:
    - The releases on this host that listen otherwise than the site is for, by how they listen (C(upstream) is V(socket) or a port).
      The site has to send their requests there.
  returned: success
  type: list
  elements: dict
code:
  description: Stable failure code.
  returned: failure
  type: str
"""

import re
import shutil
from pathlib import Path
from typing import Any, Dict, List

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import site as _site
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import site_write
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared import domains
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import MASK, ReleaseError

# Also one that the site had before: nobody hands over that one any more.
_HASH = re.compile(r"\$2[aby]\$\S+")
DOMAIN_OPTIONS = {
    "name": {"type": "str", "required": True},
    "redirect": {"type": "bool", "default": False},
    "path": {"type": "str", "default": domains.ROOT},
}
OPTIONS: Dict[str, Any] = {
    "app": {"type": "str", "required": True},
    "domains": {"type": "list", "elements": "dict", "required": True, "options": DOMAIN_OPTIONS},
    "listen": {"type": "str", "choices": ["socket", "tcp"], "default": "socket"},
    "port": {"type": "int", "default": 8000},
    "open_paths": {"type": "list", "elements": "str", "default": []},
    "site": {"type": "str", "default": ""},
    "certificate": {"type": "str", "default": ""},
    "key": {"type": "str", "default": "", "no_log": True},
    "password_hashes": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "image": {"type": "str", "default": ""},
    "owner": {"type": "int", "default": 0},
}


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


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    try:
        result = work(module.params, AppPaths(module.params["app"]), _site.EDGE, module.check_mode)
    except ReleaseError as error:
        module.fail_json(msg=f"{error.code}: {error.what}.\nTo do: {error.todo}", code=error.code)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
