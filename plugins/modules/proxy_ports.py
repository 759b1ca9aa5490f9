#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a task, which the program on the host runs: module_utils/_host/provision/proxy_ports.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: proxy_ports
short_description: Check that the proxy can have its ports
version_added: 1.0.0
description:
  - Fails with C(PORT_IN_USE) when another program or container has one of the ports, and names it. Changes nothing.
options:
  ports:
    description: The ports that the proxy publishes on the host.
    type: list
    elements: int
    required: true
requirements:
  - Python 3.9 or newer and Docker Engine 25 or newer, on the host.
attributes:
  check_mode:
    support: full
    description: Only looks in any case.
  diff_mode:
    support: none
    description: Has no files to compare.
author:
  - Fairlead contributors (@fairlead)
"""

EXAMPLES = r"""
- name: Check the ports
  fairlead.fastapi.proxy_ports:
    ports: [80, 443]
"""

RETURN = r"""
code:
  description: Stable failure code.
  returned: failure
  type: str
"""
