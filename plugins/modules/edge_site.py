#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a task, which the program on the host runs: module_utils/_host/provision/edge_site.py."""

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
