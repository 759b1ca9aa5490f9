#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a stage, which the program on the host runs: module_utils/_host/stages/database_backup.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_backup
short_description: Back an app's database and volumes up now
version_added: 1.0.0
description:
  - Dumps the database of the app, wherever it is, into C(/opt/fairlead/<app>/backups), and writes down beside it what the dump holds -
    rows and a checksum of each table, of the very moment of the dump. Then has the dump read by the program that would restore it.
  - Copies the volumes that O(app)'s live release has with C(backup) set. Of an app without a database these are the whole backup.
  - No release is under way meanwhile; the app serves on.
extends_documentation_fragment:
  - fairlead.fastapi.stage
"""

EXAMPLES = r"""
- name: Back the database up
  fairlead.fastapi.database_backup:
    app: shop
    run: 5f0c2a
    owner: alice@laptop
"""

RETURN = r"""
backup:
  description: The backup's manifest; null in check mode.
  returned: success
  type: dict
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
