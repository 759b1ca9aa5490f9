# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation that the modules of the release stages share."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every stage of a release."""

    DOCUMENTATION = r"""
options:
  app:
    description: The app's name.
    type: str
    required: true
  run:
    description:
      - Id of this run of the playbook. The stages of one run share it.
      - The lease that the first stage takes belongs to it.
    type: str
    required: true
  owner:
    description: Who runs it, for the message that another run gets meanwhile.
    type: str
    required: true
requirements:
  - Python 3.9 or newer, Docker Engine 24 or newer and its Compose plugin, on the host.
attributes:
  check_mode:
    support: full
    description: Changes nothing on the host.
  diff_mode:
    support: none
    description: Has no files to compare.
author:
  - Fairlead contributors (@fairlead)
"""

    RELEASE = r"""
options:
  release:
    description: Id of the release on this host, as the first stage returned it.
    type: str
    required: true
"""
