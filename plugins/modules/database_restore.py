#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a stage, which the program on the host runs: module_utils/_host/stages/database_restore.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_restore
short_description: Restore a backup of an app's database and volumes
version_added: 1.0.0
description:
  - Checks the dump's checksum, restores it into a new database, and compares revision, rows and a checksum of each table with what the
    backup's manifest says. Only when all is the same, the live database and the new one are renamed, both in one transaction.
  - The old one is kept as C(<name>_before_<time>) until the next restore. The state that is replaced is backed up first.
  - Of an app without a database, volumes are all that is restored.
  - Volumes that the backup has copies of are extracted beside the live ones and compared. Then the release is stopped for a moment, and
    they are exchanged, each in one step. Their old files are kept until the next restore.
  - A backup that is only off this host is fetched.
  - The live release's containers are started again before it is asked whether it is ready, so that no pool of connections is left over
    from the replaced database.
  - Whoever dies, there is the old database or the restored one. What was half restored is dropped by the next run.
  - No release is under way meanwhile. Put users to the maintenance page first - what they write until the end of this is lost.
extends_documentation_fragment:
  - fairlead.fastapi.stage
options:
  backup:
    description: Id of the backup; empty for the newest. One that an earlier restore made of what it replaced is only taken by its id.
    type: str
    default: ''
  installation:
    description:
      - Which installation of the app the backup is of, when not of this one; the newest of its copies off the host, or O(backup).
    type: str
    default: ''
  into:
    description: Name of a new database to restore into, beside the live one; empty to replace the live one. Volumes are then left alone.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Go back to the newest backup
  fairlead.fastapi.database_restore:
    app: shop
    run: 5f0c2a
    owner: alice@laptop

- name: Look at an earlier state
  fairlead.fastapi.database_restore:
    app: shop
    run: 5f0c2a
    owner: alice@laptop
    backup: 20260131T020000Z
    into: shop_january
"""

RETURN = r"""
backup:
  description: Id of the backup that was restored; in check mode that would be.
  returned: success
  type: str
at:
  description: When the backup was made. What was written later is not in it.
  returned: success
  type: str
revision:
  description: The restored schema's.
  returned: success
  type: list
  elements: str
rows:
  description: How many rows there are now.
  returned: success
  type: int
rows_before:
  description: How many there were; null where nothing was replaced.
  returned: success
  type: int
replaced:
  description: Id of the backup of the state that was replaced; null where nothing was.
  returned: success
  type: str
kept:
  description: What the old database is called now; empty where nothing was replaced.
  returned: success
  type: str
ready:
  description:
    - Whether the live release is ready with the restored database.
    - True where nothing is live, and where the live database was not replaced.
  returned: success
  type: bool
maintenance:
  description: What the maintenance page should be now, V(on) or V(off).
  returned: success
  type: str
seconds:
  description: How long it took.
  returned: success
  type: float
message:
  description: All of it for people.
  returned: success
  type: list
  elements: str
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
