#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a task, which the program on the host runs: module_utils/_host/provision/host_files.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Have directories and files on a host, in one call
version_added: 1.0.0
description:
  - Does what loops over C(ansible.builtin.file) and C(ansible.builtin.copy) do, with one call for all of them. Each file is replaced as a
    whole.
  - Directories come first, then files, in order, then what has to go, then records of checksums.
  - A symbolic link in the place of a file is replaced, and not followed. One in the place of a directory is refused.
options:
  directories:
    description: Directories that are wanted; each needs its parent, or names it before.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where.
        type: path
        required: true
      owner:
        description: Name or number of the user.
        type: str
        default: root
      group:
        description: Name or number of the group.
        type: str
        default: root
      mode:
        description: Permissions, in octal digits.
        type: str
        default: "0755"
  files:
    description: Files that are wanted.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where.
        type: path
        required: true
      content:
        description: What it holds.
        type: str
        required: true
      owner:
        description: Name or number of the user.
        type: str
        default: root
      group:
        description: Name or number of the group.
        type: str
        default: root
      mode:
        description: Permissions, in octal digits.
        type: str
        default: "0644"
      secret:
        description: Whether the content is kept out of the difference that C(--diff) shows.
        type: bool
        default: false
      validate:
        description: Command that has to accept a file with the content, which replaces C(%s) in it, before that is put in its place.
        type: list
        elements: str
        default: []
  absent:
    description: Files and directories that must not be there.
    type: list
    elements: path
    default: []
  checksums:
    description: Files that get the checksums of others, as C(sha256sum) prints them. Not written in check mode.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where.
        type: path
        required: true
      of:
        description: The files that are summed.
        type: list
        elements: path
        required: true
requirements:
  - Python 3.9 or newer on the host.
attributes:
  check_mode:
    support: full
    description: Changes nothing on the host.
  diff_mode:
    support: full
    description: Shows the difference of each file that changes, but for secret ones.
author:
  - Fairlead contributors (@fairlead)
"""

EXAMPLES = r"""
- name: Write the units
  fairlead.fastapi.host_files:
    directories:
      - path: /etc/example
    files:
      - path: /etc/systemd/system/example.service
        content: "{{ lookup('ansible.builtin.template', 'example.service.j2') }}"
      - path: /etc/example/password
        content: "{{ vault_password }}"
        mode: "0600"
        secret: true
"""

RETURN = r"""
paths:
  description: What differed.
  returned: success
  type: list
  elements: str
code:
  description: Stable failure code.
  returned: failure
  type: str
"""
