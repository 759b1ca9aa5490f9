#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name; it never runs on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_input
short_description: Check all variables of a run before anything is asked of a host
version_added: 1.0.0
description:
  - Runs on the controller, inside a role. It checks the variables of this role and of all roles that the playbook uses, against the
    options of their C(main) entry points in C(meta/argument_specs.yml), and the own ones of the playbook against C(meta/options.yml).
  - Names everything that is missing, misspelt, of the wrong type or unit, or unfit, in one message, with where to set it.
  - A variable is misspelt when its name begins as the collection's do (C(app_), C(edge_proxy_) and so on) or is a slip away from one
    of them, and, for variables given with C(-e), when it is a slip away from an option of a playbook.
options:
  playbook:
    description: Name of the playbook, as in C(meta/options.yml); empty for a role that is used without one.
    type: str
    default: ""
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
    playbook: deploy
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
