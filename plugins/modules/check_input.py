#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name; it never runs on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_input
short_description: Check the variables of a role before anything is asked of a host
version_added: 1.0.0
description:
  - Runs on the controller, inside a role, against the options of the role's C(main) entry point in C(meta/argument_specs.yml).
  - Tells everything that is missing, misspelt, of the wrong type or unfit, in one message, with where to set it.
options:
  tag_needed:
    description: Whether C(image_tag) must be there, as in a deploy.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Only reads.
  diff_mode:
    support: none
    description: Changes nothing.
author:
  - Fairlead contributors (@fairlead)
"""

EXAMPLES = r"""
- name: Check the input
  fairlead.fastapi.check_input:
    tag_needed: true
"""

RETURN = r"""
run:
  description: An id for this run of the playbook.
  returned: success
  type: str
owner:
  description: Who runs it, as user@machine.
  returned: success
  type: str
"""
