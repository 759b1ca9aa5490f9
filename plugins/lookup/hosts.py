# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The hosts of a play, or a failure where a playbook would otherwise end well without having had any."""

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts
short_description: Hosts of a play, of which there must be some
version_added: 1.0.0
description:
  - Returns a pattern for C(hosts) of a play. It fails where Ansible itself would skip the play and exit with 0,
    because the inventory is empty, does not have the groups, or C(--limit) leaves none of their hosts.
options:
  _terms:
    description:
      - Patterns of group names joined by C(:), each of which may end with C([0]). Every pattern must match a host of this run.
      - The first one is returned, without the groups that the inventory does not have.
    type: list
    elements: str
    required: true
  inventory:
    description: Groups that must have a host in the inventory, even if C(--limit) leaves it out of this run.
    type: list
    elements: str
    default: []
author:
  - Fairlead contributors (@fairlead)
"""

EXAMPLES = r"""
- name: Prepare
  hosts: "{{ lookup('fairlead.fastapi.hosts', 'app_hosts') }}"
"""

RETURN = r"""
_raw:
  description: The pattern.
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any

from ansible import context
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.fairlead.fastapi.plugins.plugin_utils import _groups


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible-core ships no types
    """Asks Ansible for its inventory; what is wrong with it is decided in plugin_utils."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        found = variables or {}
        inventory = _groups.Inventory(
            groups={str(name): [str(host) for host in members] for name, members in found.get("groups", {}).items()},
            # As long as the hosts of a play are not known, these are all hosts that --limit leaves.
            selected={str(host) for host in found.get("ansible_play_hosts_all", ())},
            sources=[_source(name) for name in context.CLIARGS.get("inventory") or ()],
            limit=str(context.CLIARGS.get("subset") or ""),
        )
        missing = _groups.problem(inventory, terms, self.get_option("inventory"))
        # A check of the syntax comes without an inventory.
        if missing and not context.CLIARGS.get("syntax"):
            raise AnsibleError(missing)
        return [_groups.existing(inventory, terms[0])]


def _source(name: str) -> str:
    """Return an inventory's name, with a remark where it is none."""
    return name if "," in name or Path(name).exists() else f"{name} (which does not exist)"
