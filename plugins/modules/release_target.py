#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a stage, which the program on the host runs: module_utils/_host/stages/release_target.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_target
short_description: Choose the release to roll back to
version_added: 1.0.0
description:
  - Takes the right to release and chooses the release that was live before the live one, or the one asked for.
  - Refuses a release whose password for a data service was changed since; its tag can be deployed again with that of today.
  - Compares what it was made for with what the database is at. Migrations in between that it may not be able to live with refuse the
    rollback.
  - Pulls its image again, by digest, when it is gone from the host. Its configuration is the one it ran with.
extends_documentation_fragment:
  - fairlead.fastapi.stage
  - fairlead.fastapi.stage.begin
  - fairlead.fastapi.stage.finish
options:
  release:
    description: Id of the release to go back to; empty for the one that was live before.
    type: str
    default: ''
  schema:
    description:
      - What becomes of migrations that took something away from the target, or may have done so.
      - Empty refuses the rollback, and names them.
      - V(downgrade) has M(fairlead.fastapi.release_downgrade) undo them first, by the image that brought them.
      - V(keep) leaves the database as it is, on the word of whoever runs this.
    type: str
    choices: ['', downgrade, keep]
    default: ''
"""

EXAMPLES = r"""
- name: Choose the release to roll back to
  fairlead.fastapi.release_target:
    app: shop
    run: 5f0c2a
    owner: alice@laptop
    settings: "{{ settings }}"
"""

RETURN = r"""
then:
  description: The results of the stages that followed in the same call, in order, each with its name in C(stage).
  returned: when O(go_on) is true and there was nothing to decide in between
  type: list
  elements: dict
release:
  description: The release to go back to.
  returned: success
  type: dict
from_release:
  description: The live release.
  returned: success
  type: dict
downgrade:
  description:
    - What is to be undone in the database first - C(by), the release whose image does it, C(to) and C(revision), the database's revision
      then and now. Null when nothing is.
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
