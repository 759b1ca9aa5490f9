#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a task, which the program on the host runs: module_utils/_host/provision/engine_plan.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_plan
short_description: Decide what to do about the container engine of a host
version_added: 1.0.0
description:
  - Looks at what is there - packages, the engine, its containers, C(/etc/docker/daemon.json) - and says what has to be installed and
    configured. An engine that is there and new enough is kept, whoever made it; nothing that it is configured with is overwritten.
  - Changes nothing. What cannot be done without harm to what is there is refused.
options:
  app:
    description: The app's name.
    type: str
    required: true
  packages:
    description: Packages to install where there is no engine.
    type: list
    elements: str
    required: true
  settings:
    description: Entries for C(daemon.json).
    type: dict
    required: true
  options:
    description: More entries, by the operator. Where the host has other values for them, the module fails.
    type: dict
    default: {}
  certificates:
    description: PEM certificate authorities by registry.
    type: dict
    default: {}
  restart_others:
    description: Whether the engine may be restarted although that stops or interrupts containers of others.
    type: bool
    default: false
requirements:
  - Python 3.9 or newer on the host, which is Debian or a relative.
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
  diff_mode:
    support: none
    description: Writes no files.
author:
  - Fairlead contributors (@fairlead)
"""

EXAMPLES = r"""
- name: Decide what to do about the engine
  fairlead.fastapi.engine_plan:
    app: shop
    packages: [docker.io, docker-cli, docker-compose, python3-requests]
    settings:
      live-restore: true
"""

RETURN = r"""
present:
  description: Whether an engine is there already.
  returned: success
  type: bool
told:
  description: What is there and what becomes of it, in one line.
  returned: success
  type: str
  sample: "Docker 28.1.1 (docker-ce) is there with 3 containers of others: kept"
install:
  description: Packages to install.
  returned: success
  type: list
  elements: str
installed:
  description: Whether the engine is installed by this collection, now or earlier.
  returned: success
  type: bool
daemon:
  description: Content for C(daemon.json).
  returned: success
  type: dict
apply:
  description: How the engine learns it.
  returned: success
  type: str
  choices: [none, reload, restart]
certificates:
  description: Content of each registry's C(ca.crt).
  returned: success
  type: dict
record:
  description: What to note on the host for later runs, of this app and of others.
  returned: success
  type: dict
code:
  description: Stable failure code.
  returned: failure
  type: str
"""
