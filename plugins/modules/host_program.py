#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program that runs stages on a host, installed there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_program
short_description: Install the program that runs releases and backups on a host
version_added: 1.0.0
description:
  - Installs the code of this collection that works on hosts, in a directory named after its content, compiled by the host's Python.
  - Each stage of a release, each backup and each restore runs the version of its own controller, and installs it first where it is
    missing. The link C(current), which timers use, only moves forward by the version of the collection.
  - Versions that are used no more are removed, but for the three that were used last.
options:
  directory:
    description: Where the versions are.
    type: path
    default: /usr/local/lib/fairlead
  name:
    description: The version's name, the hash of its content. The action plugin knows it.
    type: str
  version:
    description: The version of the collection. The action plugin knows it.
    type: str
  archive:
    description: A zip file of the sources, in base64. The action plugin makes it; without one, the module only looks.
    type: str
  temporary:
    description: Whether to install it for one run only, in a directory that the run removes. For check mode, in which nothing is installed.
    type: bool
    default: false
requirements:
  - Python 3.9 or newer on the host.
attributes:
  check_mode:
    support: full
    description: Changes nothing on the host.
  diff_mode:
    support: none
    description: Tells the version.
author:
  - Fairlead contributors (@fairlead)
"""

EXAMPLES = r"""
- name: Install the program
  fairlead.fastapi.host_program:
"""

RETURN = r"""
name:
  description: The version's name.
  returned: success
  type: str
installed:
  description: Whether the host has it, and timers use it or a later one.
  returned: success
  type: bool
path:
  description: The program.
  returned: when an archive is given, except in check mode
  type: str
"""

import base64
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.program import install


def main() -> None:
    """Run as an Ansible module."""
    options = {
        "directory": {"type": "path", "default": "/usr/local/lib/fairlead"},
        "name": {"type": "str"},
        "version": {"type": "str"},
        "archive": {"type": "str"},
        "temporary": {"type": "bool", "default": False},
    }
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    p = module.params
    root, name = Path(p["directory"]), p["name"]
    archive = base64.b64decode(p["archive"] or "")
    if p["temporary"]:
        directory = Path(tempfile.mkdtemp(prefix="fairlead-"))
        install.unpack(directory, archive, directory)
        module.exit_json(changed=False, name=name, installed=False, path=str(directory / install.LAUNCHER))
    installed = install.is_installed(root, name) and not install.is_due(root, name)
    if archive and not module.check_mode:
        install.install(root, name, p["version"], archive)
    module.exit_json(changed=not installed, name=name, installed=installed, path=str(root / name / install.LAUNCHER))


if __name__ == "__main__":
    main()
