# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an inventory has the hosts that a playbook is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

_BUILT_IN = ("all", "ungrouped")


@dataclass(frozen=True)
class Inventory:
    """What Ansible has read.

    Args:
        groups: hosts by group.
        selected: hosts that `limit` leaves.
        sources: names of the inventories.
        limit: the value of --limit; empty without it.
    """

    groups: Mapping[str, Sequence[str]]
    selected: Set[str]
    sources: Sequence[str]
    limit: str = ""


def problem(inventory: Inventory, patterns: Sequence[str], in_inventory: Sequence[str] = ()) -> str:
    """Say which patterns match no host; empty when each has one.

    Args:
        patterns: each must match a host that is selected.
        in_inventory: groups that must have a host, selected or not.
    """
    empty = [pattern for pattern in (*patterns, *in_inventory) if not _hosts(inventory, pattern)]
    if empty:
        return "\n".join([f"CONFIG: the inventory has no host in {_listed(empty)}; nothing was changed.", *_read(inventory, empty)])
    left_out = [pattern for pattern in patterns if not inventory.selected & _hosts(inventory, pattern)]
    if left_out:
        hosts = sorted(set().union(*(_hosts(inventory, pattern) for pattern in left_out)))
        return (
            f"CONFIG: --limit {inventory.limit} leaves no host of {_listed(left_out)}; nothing was changed.\n"
            f"To do: leave --limit out, or name one of {', '.join(hosts)}"
        )
    return ""


def existing(inventory: Inventory, pattern: str) -> str:
    """Return a pattern without the groups that the inventory does not have; all of it where it has none of them."""
    parts = [part for part in pattern.split(":") if _group(part) in inventory.groups]
    return ":".join(parts) or pattern


def _group(part: str) -> str:
    return part.partition("[")[0]


def _hosts(inventory: Inventory, pattern: str) -> set[str]:
    """Return the hosts of a pattern's groups. Subscripts are ignored: Ansible counts them in what --limit leaves."""
    return {host for part in pattern.split(":") for host in inventory.groups.get(_group(part), ())}


def _listed(patterns: Sequence[str]) -> str:
    groups = [" or ".join(_group(part) for part in pattern.split(":")) for pattern in dict.fromkeys(patterns)]
    return ", and none in ".join(groups)


def _read(inventory: Inventory, empty: Sequence[str]) -> list[str]:
    groups = {name: hosts for name, hosts in inventory.groups.items() if name not in _BUILT_IN}
    listed = ", ".join(f"{name} ({len(hosts)} host{'s' * (len(hosts) != 1)})" for name, hosts in sorted(groups.items()))
    wanted = ", ".join(dict.fromkeys(_group(part) for pattern in empty for part in pattern.split(":")))
    return [
        f"Inventory read: {', '.join(inventory.sources) or 'none'}",
        f"Groups in it: {listed or 'none'}",
        f"To do: name your inventory with -i, and list your hosts under {wanted} in its hosts.yml",
    ]
