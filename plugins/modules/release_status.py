#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a stage, which the program on the host runs: module_utils/_host/stages/release_status.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_status
short_description: Tell which release of an app is live on a host
version_added: 1.0.0
description:
  - Reads the route, the record of releases and the engine, and asks the live release whether it is ready. Changes nothing.
  - Compares what runs with what was recorded - image, bundle, environment, route, edge and data services.
options:
  app:
    description: The app's name.
    type: str
    required: true
  strict:
    description:
      - Fail when anything differs from what was recorded, when backups are not as they should be, when the live release is not ready,
        or when the kernel killed processes of it for memory since it was started.
      - Restarts and the image's own HEALTHCHECK are reported, and are no failure.
    type: bool
    default: false
requirements:
  - Python 3.9 or newer and Docker Engine, on the host.
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
- name: Ask what is live
  fairlead.fastapi.release_status:
    app: shop
  register: status
"""

RETURN = r"""
live:
  description: The live release; null when nothing is live.
  returned: success
  type: dict
health:
  description: V(ready), or what is wrong with the live release; then how often it restarted, and whether its HEALTHCHECK fails.
  returned: success
  type: str
previous:
  description: The release that a rollback would go back to; null when there is none.
  returned: success
  type: dict
releases:
  description: All releases on record, newest first.
  returned: success
  type: list
  elements: dict
drift:
  description: What differs from what was recorded, one sentence each.
  returned: success
  type: list
  elements: str
backup:
  description:
    - The newest backup (C(newest), null when there is none), how many there are (C(count)), how each kind went last (C(outcomes)),
      whether a drill restored the newest one (C(proved)), and what is wrong with them (C(problem)).
  returned: success
  type: dict
volumes:
  description:
    - The live release's volumes - C(name) in the Docker Engine, C(path), whether backups have it (C(backup)), C(bytes) on the disk, whether
      all of it was counted in time (C(complete)), and what is wrong with it (C(problem)).
  returned: success
  type: list
  elements: dict
retiring:
  description: Ids of the releases that still run and are not live any more; each is being stopped, or will be.
  returned: success
  type: list
  elements: str
updates:
  description:
    - What was published since the host got its images and packages, one sentence each - tags of the proxy and of the app's data services
      that mean another image by now, and packages of the engine that are held back. Empty where the registry does not answer.
  returned: success
  type: list
  elements: str
maintenance:
  description: Whether users get the maintenance page.
  returned: success
  type: bool
run:
  description: The last run, and whether it is unfinished; null when there was none.
  returned: success
  type: dict
"""
