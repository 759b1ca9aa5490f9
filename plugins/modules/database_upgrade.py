#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a stage, which the program on the host runs: module_utils/_host/stages/database_upgrade.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_upgrade
short_description: Move an app's data to another major version of PostgreSQL
version_added: 1.0.0
description:
  - With O(step=copy), closes the database to all but superusers, takes a backup of kind C(upgrade), restores it into a server of
    O(image) that runs beside the old one on a volume of its own, and compares rows and checksums of each table and the schema's
    revision with the backup's manifest. When anything fails, the database is opened again and nothing is left of the new server.
  - Then the caller puts the new server into the place of the old one.
  - With O(step=finish), looks whether the live release is ready with it, and ends the upgrade. The old volume stays. An upgrade that
    died before the new server had the place, and is not wanted any more, is taken back.
  - With O(step=revert), instead, starts the old server again on its own volume and removes the new one.
  - An upgrade that died is ended by the next one. No release is made meanwhile.
extends_documentation_fragment: [fairlead.fastapi.stage]
options:
  step:
    description: What to do.
    type: str
    choices: [copy, finish, revert]
    required: true
  image:
    description: Image of the new server; it must be on the host.
    type: str
    required: true
  migrator:
    description: Role that owns the schema; see M(fairlead.fastapi.database_roles).
    type: str
    required: true
  migrator_password:
    description: That role's password.
    type: str
    required: true
  user:
    description: Role that the app logs in as.
    type: str
    required: true
  user_password:
    description: That role's password.
    type: str
    required: true
  settings:
    description: What each session of the migrator begins with, by name.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Fill a volume of PostgreSQL 17
  fairlead.fastapi.database_upgrade:
    step: copy
    app: shop
    run: "{{ run_id }}"
    owner: ops@controller
    image: postgres:17
    migrator: shop_migrator
    migrator_password: "{{ vault_migrator_password }}"
    user: shop
    user_password: "{{ vault_database_password }}"
    settings: {lock_timeout: 5s}
"""

RETURN = r"""
backup:
  description: Id of the backup that the data went by.
  returned: success, with O(step=copy), outside check mode
  type: str
tables:
  description: How many tables were compared.
  returned: success, with O(step=copy), outside check mode
  type: int
rows:
  description: How many rows there are in all of them.
  returned: success, with O(step=copy), outside check mode
  type: int
steps:
  description: What was done, with seconds.
  returned: always
  type: list
  elements: dict
code:
  description: Stable failure code.
  returned: failure
  type: str
"""
