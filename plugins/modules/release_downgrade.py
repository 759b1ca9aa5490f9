#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a stage, which the program on the host runs: module_utils/_host/stages/release_downgrade.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_downgrade
short_description: Undo migrations before a rollback
version_added: 1.0.0
description:
  - Backs the database up, verifies the backup, and runs C(alembic downgrade) in a one-off container of the newer image, which has the
    way back.
  - What the migrations had added is lost from the database; it is in the backup. From here until the switch the live release may lack
    what it needs. Where users must not see that, turn the maintenance page on first.
  - When it fails, the live release serves on, and the message says what the database is at.
extends_documentation_fragment:
  - fairlead.fastapi.stage
  - fairlead.fastapi.stage.release
options:
  downgrade:
    description: What is to be undone, as M(fairlead.fastapi.release_target) returned it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Undo the migrations
  fairlead.fastapi.release_downgrade:
    app: shop
    run: 5f0c2a
    owner: alice@laptop
    release: r11
    downgrade: "{{ target.downgrade }}"
"""

RETURN = r"""
output:
  description: What the downgrade printed, with secrets masked.
  returned: success
  type: list
  elements: str
backup:
  description: Id of the backup from before it.
  returned: success
  type: str
steps:
  description: What was done, in order, with seconds.
  returned: always
  type: list
  elements: dict
code:
  description: Stable failure code.
  returned: failure
  type: str
serving:
  description: The release that users get now.
  returned: failure
  type: str
"""
