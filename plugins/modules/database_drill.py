#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a stage, which the program on the host runs: module_utils/_host/stages/database_drill.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_drill
short_description: Restore a backup beside the live database, compare it, and drop it
version_added: 1.0.0
description:
  - Restores a backup into a new database at the same server, compares revision, rows and a checksum of each table with what the backup's
    manifest says, and drops that database. The live one is not touched, and the app serves on.
  - Copies of volumes are extracted into a directory that only root can look into, compared, and removed.
  - The outcome is written down for M(fairlead.fastapi.release_status).
extends_documentation_fragment:
  - fairlead.fastapi.stage
options:
  backup:
    description: Id of the backup; empty for the newest.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Prove the newest backup
  fairlead.fastapi.database_drill:
    app: shop
    run: 5f0c2a
    owner: alice@laptop
"""

RETURN = r"""
backup:
  description: Id of the backup that was restored; in check mode that would be.
  returned: success
  type: str
seconds:
  description: How long restoring and comparing took.
  returned: success
  type: float
rows:
  description: How many rows were compared.
  returned: success
  type: int
bytes:
  description: Size of the dump.
  returned: success
  type: int
left_out:
  description: What the schema's owner may not make, and the data does not need, such as an extension that only a superuser makes.
  returned: success
  type: list
  elements: str
message:
  description: The same for people.
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
