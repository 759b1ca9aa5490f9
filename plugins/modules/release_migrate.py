#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a stage, which the program on the host runs: module_utils/_host/stages/release_migrate.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_migrate
short_description: Migrate the database with a prepared release
version_added: 1.0.0
description:
  - Judges what is pending with squawk and pglast on the controller - whether the release before can live with it (C(expand)), cannot
    (C(contract)), or it cannot be known (C(unknown)).
  - Then, on the host, backs the database up, verifies the backup, and runs the migration command, and the commands before and after it, in
    one-off containers of the new image with the new configuration. A migration that gives up waiting for a lock is tried again.
  - A migration tool other than Alembic is first asked whether it has anything to do, where there is a command for that.
  - When it fails, or does not end in time, container and session in the database are ended and the prepared release is removed. The live
    release serves on.
  - Afterwards the database is at the image's heads, has no index that does not work, and the live release is asked whether it is still
    ready.
extends_documentation_fragment:
  - fairlead.fastapi.stage
  - fairlead.fastapi.stage.release
attributes:
  diff_mode:
    support: full
    description: Shows each pending migration with its class and its SQL.
options:
  plan:
    description: What is pending, as M(fairlead.fastapi.release_prepare) returned it.
    type: dict
    required: true
  lint:
    description: Whether squawk and pglast judge the migrations; without, each counts as unknown.
    type: bool
    default: true
  allow_contract:
    description: Whether a migration may be run that takes something away from the live release.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Migrate the database
  fairlead.fastapi.release_migrate:
    app: shop
    run: 5f0c2a
    owner: alice@laptop
    release: r12
    plan: "{{ prepared.plan }}"
  when: prepared.plan.due
"""

RETURN = r"""
output:
  description: What the migration printed, with secrets masked.
  returned: success
  type: list
  elements: str
migrations:
  description: What was pending, each with C(revision), C(down), C(title), C(class) and C(findings).
  returned: success
  type: list
  elements: dict
backup:
  description: Id of the backup from before it; null when there was nothing to lose.
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
