#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which image a tag is on this host, and whether its registry has another one under that tag by now."""

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

import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import updates
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


def main() -> None:
    """Run as an Ansible module."""
    options = {"image": {"type": "str", "required": True}, "variable": {"type": "str", "required": True}}
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    image = module.params["image"]
    try:
        digests = docker.digests(image) if shutil.which("docker") else []
        newer = docker.newer(image, digests)
    except ReleaseError as error:
        module.fail_json(msg=f"{error.code}: {error.what}\nTo do: {error.todo}", code=error.code)
    if newer:
        module.warn(updates.moved(image, module.params["variable"], digests[0], newer))
    module.exit_json(changed=False, digests=digests, newer=newer)


if __name__ == "__main__":
    main()
