#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a stage, which the program on the host runs: module_utils/_host/stages/release_finish.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_finish
short_description: Finish a release that is in service
version_added: 1.0.0
description:
  - Has what ran before stopped after its last request, removes releases and images that no rollback needs any more, and ends the run.
  - A systemd unit stops it, C(fairlead-retire-<app>-<release>), so that nobody waits. What it cut is told by the next run.
extends_documentation_fragment:
  - fairlead.fastapi.stage
  - fairlead.fastapi.stage.release
  - fairlead.fastapi.stage.finish
"""

EXAMPLES = r"""
- name: Finish the release
  fairlead.fastapi.release_finish:
    app: shop
    run: 5f0c2a
    owner: alice@laptop
    release: r12
"""

RETURN = r"""
release:
  description: The live release.
  returned: success, except in check mode
  type: dict
retired:
  description: Ids of the releases that are being stopped, or will be; they are kept for a rollback.
  returned: success, except in check mode
  type: list
  elements: str
pruned:
  description: Ids of the releases that were removed.
  returned: success, except in check mode
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
