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
  lease_seconds:
    description:
      - How long the right to release lasts between two stages. After a controller that died, the next run waits for its end at most.
      - Where many hosts are released one after the other, each waits for the others.
    type: float
    default: 15
  lock_wait:
    description:
      - How many seconds to wait for another run that is at work on this app. V(0) fails at once with C(LOCKED).
      - The lease of a run whose controller died is waited for in any case.
    type: float
    default: 0
requirements:
  - Python 3.9 or newer, Docker Engine 25 or newer with Compose 2.24 or newer, on the host.
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

    BEGIN = r"""
options:
  registry_username:
    description: User at the image's registry; empty for anonymous.
    type: str
    default: ''
  registry_password:
    description: That user's password.
    type: str
    default: ''
  controller_clock:
    description: The controller's time in seconds since 1970, to tell when the host's clock is off. Not compared when it is left out.
    type: float
  settings:
    description: How the release is probed, migrated, watched and stopped, and what the host must have for it.
    type: dict
    required: true
  go_on:
    description:
      - Whether to put the release into service and finish the run in the same call, where there is nothing to decide in between - no
        migration is due, and the release is not live already. For a release on a single host.
      - What the other stages did is in RV(ignore:then).
    type: bool
    default: false
"""

    FINISH = r"""
options:
  warm_seconds:
    description: For how long the release before runs on, so that a rollback only has to switch. V(0) has it stopped at once.
    type: float
    default: 0
"""

    RELEASE = r"""
options:
  release:
    description: Id of the release on this host, as the first stage returned it.
    type: str
    required: true
"""
