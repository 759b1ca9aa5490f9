#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a task, which the program on the host runs: module_utils/_host/provision/database_volume.py."""

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
