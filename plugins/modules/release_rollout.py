#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a stage, which the program on the host runs: module_utils/_host/stages/release_rollout.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_rollout
short_description: Put a prepared or kept release into service
version_added: 1.0.0
description:
  - Starts the release beside the live one, waits until it answers its readiness check as the expected release,
    replaces the route in one atomic step, and asks the public listener whether the new release answers there.
  - Then watches it for a while, with the release before it still running - whether it restarts, stays ready, and answers no more errors.
  - Where both releases have a volume that is exclusive, the live one is stopped before the new one starts, and started again when it fails.
  - When anything fails, the live release stays or is put back, and the new one is removed.
extends_documentation_fragment:
  - fairlead.fastapi.stage
  - fairlead.fastapi.stage.release
options:
  migrations:
    description:
      - What M(fairlead.fastapi.release_migrate) ran for this release, on whichever host, so that each host knows what a rollback would
        cross.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Put the release into service
  fairlead.fastapi.release_rollout:
    app: shop
    run: 5f0c2a
    owner: alice@laptop
    release: r12
"""

RETURN = r"""
ready:
  description: The readiness answer that let the release in.
  returned: success, except in check mode
  type: str
unserved_seconds:
  description: How long the app was not served, because a volume is exclusive; 0 where none is.
  returned: success, except in check mode
  type: float
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
