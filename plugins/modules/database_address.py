#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an app's database is, when it is elsewhere."""

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

import json
import shutil
from pathlib import Path
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths, write_atomically
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared import address as _address
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError, explain

HOST_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
DESCRIPTION = "database.json"


def contents(url: str, authority: str, image: str, apart: bool = False) -> Dict[str, str]:
    """Return what each file shall hold; nothing when the database is not elsewhere.

    Raises:
        ReleaseError: CONFIG when the address is wrong, or the host knows no authorities.
    """
    if not url:
        return {}
    try:
        address = _address.parse(url)
    except ValueError as error:
        raise ReleaseError("CONFIG", f"app_database_url: {error}", "set it from the vault (group_vars/all/vault.yml)") from None
    told = {"image": image, "name": address.name, "user": address.user, "host": address.host, "port": address.port, "apart": apart}
    files = {"service.conf": address.service(), DESCRIPTION: json.dumps(told, indent=2, sort_keys=True) + "\n"}
    if address.proves_itself:
        files["root.crt"] = authority.strip() + "\n" if authority else _host_authorities()
    return files


def work(paths: AppPaths, wanted: Dict[str, str], check_mode: bool) -> Dict[str, Any]:
    """Have the directory hold just these files.

    Raises:
        ReleaseError: STATE_WRITE.
    """
    directory = paths.database
    found = {file.name: file.read_text(encoding="utf-8") for file in directory.iterdir()} if directory.is_dir() else {}
    differing = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    if not check_mode:
        if not wanted:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            directory.mkdir(mode=0o700, exist_ok=True)
            # The description comes last: it is what says that the database is elsewhere.
            for name in sorted(differing, key=lambda name: name == DESCRIPTION):
                if name in wanted:
                    write_atomically(directory / name, wanted[name])
                else:
                    (directory / name).unlink()
    described = {"before": found.get(DESCRIPTION, ""), "after": wanted.get(DESCRIPTION, ""), "after_header": str(directory / DESCRIPTION)}
    return {"changed": bool(differing), "files": differing, "diff": described}


def _host_authorities() -> str:
    try:
        return HOST_AUTHORITIES.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ReleaseError(
            "CONFIG", f"this host trusts no authorities ({HOST_AUTHORITIES} is missing)", "set app_database_ca, or install ca-certificates"
        ) from None


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "app": {"type": "str", "required": True},
            "url": {"type": "str", "default": "", "no_log": True},
            "authority": {"type": "str", "default": ""},
            "image": {"type": "str", "default": "postgres:17"},
            "apart": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    p = module.params
    try:
        result = work(AppPaths(p["app"]), contents(p["url"], p["authority"], p["image"], p["apart"]), module.check_mode)
    except ReleaseError as error:
        module.fail_json(msg=explain(error), code=error.code)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
