#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of a task, which the program on the host runs: module_utils/_host/provision/database_roles.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_roles
short_description: Have the schema owned by one role, and used by another
version_added: 1.0.0
description:
  - In the PostgreSQL that the role C(data_services) runs, makes O(migrator), which owns the database and all that is in it, and
    O(user), which can read and write the data and nothing else - no C(CREATE), C(ALTER), C(DROP), C(TRUNCATE), no temporary tables.
    Everybody else can do nothing. The table of the schema's revision is only read by O(user).
  - Makes C(fairlead_reader), a member of O(migrator) that sees all rows and has no password, for backups.
  - Takes from everybody the right to connect to the databases C(postgres) and C(template1), where the superuser asks about the server.
  - What O(migrator) makes later is granted to O(user) by default privileges. What another role made in the database is given to
    O(migrator).
  - The superuser C(postgres) loses its password; it is used over the socket inside the container only.
  - Passwords are hashed here (SCRAM-SHA-256); only the hash is sent to the server.
  - At a database that is elsewhere, the role of its address only gets O(settings). All the rest is for who runs it.
options:
  app:
    description: The app's name.
    type: str
    required: true
  migrator:
    description: Role that migrations log in as. Not looked at where the database is elsewhere.
    type: str
  migrator_password:
    description: That role's password.
    type: str
  user:
    description: Role that the app logs in as. Not looked at where the database is elsewhere.
    type: str
  user_password:
    description: That role's password.
    type: str
  settings:
    description:
      - What each session of the migrator begins with, by name. Any driver obeys, as it is the server that sets it.
      - At a database of our own, other settings of the role are taken away.
    type: dict
    default:
      lock_timeout: 5s
      statement_timeout: 15min
      client_connection_check_interval: 1s
      idle_in_transaction_session_timeout: 1min
  version_table:
    description: Table that the schema's revision is in, with its schema where that is not C(public).
    type: str
    default: alembic_version
requirements:
  - Python 3.9 or newer and Docker Engine 25 or newer, on the host.
attributes:
  check_mode:
    support: full
    description: Changes nothing; asks the database what would be changed.
  diff_mode:
    support: full
    description: Shows the statements, without what was made of passwords.
author:
  - Fairlead contributors (@fairlead)
"""

EXAMPLES = r"""
- name: Make the roles in the database
  fairlead.fastapi.database_roles:
    app: shop
    migrator: shop_migrator
    migrator_password: "{{ vault_migrator_password }}"
    user: shop
    user_password: "{{ vault_database_password }}"
"""

RETURN = r"""
statements:
  description: What was run, in one transaction; empty when all was so already.
  returned: success
  type: list
  elements: str
code:
  description: Stable failure code.
  returned: failure
  type: str
"""
