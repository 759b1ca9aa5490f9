#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a task, which the program on the host runs: module_utils/_host/provision/image_digest.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_digest
short_description: Say when a tag has come to mean another image than the one on the host
version_added: 1.0.0
description:
  - A tag such as C(postgres:17) moves with each security fix, while a host keeps what it once pulled. This asks the registry, pulls
    nothing, and warns when it has another image by now. An image that is named by its digest cannot move, and is not asked for.
  - Where the registry cannot be asked, nothing is said.
options:
  image:
    description: The image, with a tag or a digest.
    type: str
    required: true
  variable:
    description: The variable that names it, for the warning.
    type: str
    required: true
requirements:
  - Python 3.9 or newer and Docker Engine 25 or newer, on the host.
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
  diff_mode:
    support: none
    description: Has no files to compare.
author:
  - Fairlead contributors (@fairlead)
"""

EXAMPLES = r"""
- name: Look for a newer image of Redis
  fairlead.fastapi.image_digest:
    image: redis:8
    variable: data_services_redis_image
"""

RETURN = r"""
digests:
  description: Digests that the image on the host has in its registry.
  returned: success
  type: list
  elements: str
newer:
  description: Digest that the tag means now, where that is another one; else empty.
  returned: success
  type: str
code:
  description: Stable failure code.
  returned: failure
  type: str
"""
