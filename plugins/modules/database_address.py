#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a task, which the program on the host runs: module_utils/_host/provision/database_address.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_address
short_description: Tell a host where its app's database is
version_added: 1.0.0
description:
  - Writes what the stages of a release need to ask a PostgreSQL that is elsewhere, to C(/opt/fairlead/<app>/database),
    readable by root only - a service file for libpq, the certificate authority, and C(database.json).
  - Without O(url) that directory is removed; then the database is the one that the role C(data_services) runs, if it does.
options:
  app:
    description: The app's name.
    type: str
    required: true
  url:
    description:
      - C(postgresql://role:password@host:5432/name?sslmode=verify-full), with special characters percent-encoded; the role owns the schema.
      - C(sslmode) is C(verify-full) when it is not given.
    type: str
    default: ''
  authority:
    description: Certificate authority of that server, as PEM text; empty for the authorities that the host trusts.
    type: str
    default: ''
  image:
    description: Image to take the client programs from, of the server's major version or newer.
    type: str
    default: postgres:17
  apart:
    description:
      - Whether migrations log in as the role of O(url), and the app as another one. Only then are all sessions of that role ended when a
        migration failed; else they would be the app's as well.
    type: bool
    default: false
requirements:
  - Python 3.9 or newer, on the host.
attributes:
  check_mode:
    support: full
    description: Changes nothing on the host.
  diff_mode:
    support: full
    description: Shows C(database.json); the other files hold secrets, or are long.
author:
  - Fairlead contributors (@fairlead)
"""

EXAMPLES = r"""
- name: Tell where the database is
  fairlead.fastapi.database_address:
    app: shop
    url: "{{ vault_database_url }}"
    authority: "{{ lookup('ansible.builtin.file', 'database-ca.pem') }}"
"""

RETURN = r"""
files:
  description: Which files differed.
  returned: success
  type: list
  elements: str
code:
  description: Stable failure code.
  returned: failure
  type: str
"""
