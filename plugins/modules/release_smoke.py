#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a stage, which the program on the host runs: module_utils/_host/stages/release_smoke.py."""

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
