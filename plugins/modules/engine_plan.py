#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do about the container engine of a host."""

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

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import engine, engine_facts, engine_found, engine_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


def work(p: Dict[str, Any]) -> Dict[str, Any]:
    """Return the plan.

    Raises:
        ReleaseError: ENGINE_UNFIT, ENGINE_PACKAGES, ENGINE_CONFLICT, ENGINE_SHARED or STATE_CORRUPT.
    """
    noted = engine_record.load()
    settings = {**p["settings"], **p["options"]}
    wanted = engine_found.Wanted(p["packages"], settings, frozenset(p["options"]), p["restart_others"])
    plan = engine.decide(engine_facts.look(p["packages"]), wanted, engine_record.settings_of(noted, p["app"]))
    if plan.install:
        engine.refuse_harm(engine_facts.simulate(plan.install), plan.install)
    return {
        "changed": False,
        "present": plan.present,
        "told": plan.told,
        "install": plan.install,
        "installed": plan.installed,
        "daemon": plan.daemon,
        "apply": plan.apply,
        "warnings": plan.warnings,
        "certificates": engine_record.certificates(noted, p["app"], p["certificates"]),
        "record": engine_record.noted_with(noted, p["app"], plan.installed, settings, p["certificates"]),
    }


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "app": {"type": "str", "required": True},
            "packages": {"type": "list", "elements": "str", "required": True},
            "settings": {"type": "dict", "required": True},
            "options": {"type": "dict", "default": {}},
            "certificates": {"type": "dict", "default": {}},
            "restart_others": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        result = work(module.params)
    except ReleaseError as error:
        evidence = "".join(f"\n  {line}" for line in error.details)
        module.fail_json(msg=f"{error.code}: {error.what}\nTo do: {error.todo}{evidence}", code=error.code)
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
