#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The volume that an image of PostgreSQL has to use."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_volume
short_description: Find the volume that an image of PostgreSQL has to use
version_added: 1.0.0
description:
  - Each major version of PostgreSQL has a volume of its own, because none reads the data of another.
  - Which major an image is, and where its volume belongs, is asked of the image itself, which is fetched when it is not on the host.
    Which major the app's data belongs to is asked of the data.
  - Fails with C(PG_MAJOR_UPGRADE) when they differ, before anything is changed.
options:
  app:
    description: The app's name.
    type: str
    required: true
  image:
    description: Image of PostgreSQL, with a tag or a digest.
    type: str
    required: true
  upgrade:
    description: Whether an image of a later major than the data's is fine, because the data will be moved. An earlier one never is.
    type: bool
    default: false
requirements:
  - Python 3.9 or newer and Docker Engine 25 or newer, on the host.
attributes:
  check_mode:
    support: full
    description: Fetches nothing. What an image that is not on the host will be is taken from its tag, with a warning.
  diff_mode:
    support: none
    description: Has no files to compare.
author:
  - Fairlead contributors (@fairlead)
"""

EXAMPLES = r"""
- name: Find the volume for PostgreSQL 17
  fairlead.fastapi.database_volume:
    app: shop
    image: postgres:17
"""

RETURN = r"""
major:
  description: Major version of PostgreSQL in the image.
  returned: success
  type: int
volume:
  description: Name of the volume for it.
  returned: success
  type: str
  sample: shop-data_postgres-17
mount:
  description: Where the volume belongs in a container of this image.
  returned: success
  type: str
data:
  description: The server's data directory, at or below O(ignore:mount).
  returned: success
  type: str
owner:
  description: Numbers of the user and the group that the server runs as.
  returned: success
  type: str
  sample: "999:999"
current:
  description: The image, RV(ignore:major) and RV(ignore:volume) that have the app's data now. Null before the first start.
  returned: success
  type: dict
needed:
  description: Whether the data has to be moved to another major.
  returned: success
  type: bool
begun:
  description: The upgrade that was begun and not ended - RV(ignore:from), RV(ignore:to) and RV(ignore:at). Null when there is none.
  returned: success
  type: dict
code:
  description: Stable failure code.
  returned: failure
  type: str
"""

import shutil
from typing import Any, Dict, List

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import versions, volume
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError, explain


def work(paths: AppPaths, name: str, upgrade: bool, check_mode: bool, warnings: List[str]) -> Dict[str, Any]:
    """Return what the image is and which volume it has to use.

    Raises:
        ReleaseError: PG_MAJOR_UPGRADE, CONFIG, IMAGE_NOT_FOUND or DOCKER_DOWN.
    """
    # A check of a bare host: there is nothing yet to be asked.
    bare = check_mode and shutil.which("docker") is None
    current = None if bare else volume.find_volume(paths.app)
    image = None if bare else volume.find_image(name)
    fetched = image is None
    if image is None and check_mode:
        image, owner = versions.guessed_image(name, current), versions.guessed_owner(name)
        warnings.append(f"{name} is not on this host yet, and is taken for PostgreSQL {image.major}")
    else:
        image = image or volume.pull(name)
        owner = volume.owner_of(name, versions.USER)
    begun = volume.begun(paths)
    if upgrade and current is not None:
        versions.refuse_downgrade(image, current)
    if not upgrade:
        versions.refuse_other_major(image, current)
        versions.refuse_other_owner(image, owner, current)
        if begun:
            warnings.append(f"an upgrade of PostgreSQL was begun at {begun['at']} and not ended: run {versions.PLAYBOOK} again")
    return {
        "changed": fetched,
        "major": image.major,
        "volume": versions.chosen(paths.app, image, current),
        "mount": image.mount,
        "data": image.data,
        "owner": owner,
        "current": current and {"major": current.major, "volume": current.name, "image": _image_in_use(paths.app)},
        "needed": current is not None and current.major != image.major,
        "begun": begun,
    }


def _image_in_use(app: str) -> str:
    container = volume.find_container(app)
    return str(container["Config"]["Image"]) if container else ""


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "app": {"type": "str", "required": True},
            "image": {"type": "str", "required": True},
            "upgrade": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    warnings: List[str] = []
    p = module.params
    try:
        result = work(AppPaths(p["app"]), p["image"], p["upgrade"], module.check_mode, warnings)
    except ReleaseError as error:
        module.fail_json(msg=explain(error), code=error.code)
    for warning in warnings:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
