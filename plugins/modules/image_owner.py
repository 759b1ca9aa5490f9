#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a task, which the program on the host runs: module_utils/_host/provision/image_owner.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_owner
short_description: Ask an image which user its server runs as
version_added: 1.0.0
description:
  - Official images of one service have the same user under other numbers, depending on the distribution below. What the server has to read
    must belong to the number.
  - The image is fetched when it is not on the host. It is asked in a container without a network.
options:
  image:
    description: The image, with a tag or a digest.
    type: str
    required: true
  user:
    description: Name of the user.
    type: str
    required: true
requirements:
  - Python 3.9 or newer and Docker Engine 25 or newer, on the host.
attributes:
  check_mode:
    support: full
    description: Fetches nothing. An image that is not on the host is taken for one with user and group 999.
  diff_mode:
    support: none
    description: Has no files to compare.
author:
  - Fairlead contributors (@fairlead)
"""

EXAMPLES = r"""
- name: Ask the image of Redis
  fairlead.fastapi.image_owner:
    image: redis:8
    user: redis
"""

RETURN = r"""
owner:
  description: Numbers of user and group.
  returned: success
  type: str
  sample: "999:1000"
code:
  description: Stable failure code.
  returned: failure
  type: str
"""
