#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The user that an image has for its server."""

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

import shutil
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import versions, volume
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


def work(image: str, user: str, check_mode: bool) -> Dict[str, Any]:
    """Return the owner.

    Raises:
        ReleaseError: CONFIG, IMAGE_NOT_FOUND or DOCKER_DOWN.
    """
    present = shutil.which("docker") is not None and docker.has_image(image)
    if not present and check_mode:
        return {"changed": True, "owner": versions.DEBIANS_OWNER}
    if not present:
        volume.fetch(image, f"data_services_{user}_image")
    return {"changed": not present, "owner": volume.owner_of(image, user)}


def main() -> None:
    """Run as an Ansible module."""
    options = {"image": {"type": "str", "required": True}, "user": {"type": "str", "required": True}}
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    try:
        result = work(module.params["image"], module.params["user"], module.check_mode)
    except ReleaseError as error:
        evidence = "".join(f"\n  {line}" for line in error.details)
        module.fail_json(msg=f"{error.code}: {error.what}\nTo do: {error.todo}{evidence}", code=error.code)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
