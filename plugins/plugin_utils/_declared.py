# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What variables the collection declares: options of its roles and of its playbooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load

# Deploying needs a tag, other uses of the role do not: playbooks declare it.
TAG = "image_tag"

Load = Callable[[str], Any]


@dataclass(frozen=True)
class Declared:
    """The variables of a run.

    Args:
        options: by name, what roles and the playbook take; the playbook's are marked as such.
        defaults: of the other roles, as they are written.
        known: all names that mean something to the collection, whether this run uses them or not.
        prefixes: what names of the collection's variables begin with.
        of_playbooks: options of all playbooks.
    """

    options: dict[str, dict[str, Any]]
    defaults: dict[str, Any]
    known: frozenset[str]
    prefixes: tuple[str, ...]
    of_playbooks: frozenset[str]

    @property
    def of_playbook(self) -> list[str]:
        return [name for name, option in self.options.items() if option.get("playbook")]


class Collection:
    """Reads declarations from the collection's own files.

    Args:
        root: its folder.
        load: reads a YAML file with templates in it.
    """

    def __init__(self, root: Path, load: Load) -> None:
        self._root, self._load = root, load
        self._roles = sorted(file.parent.parent.name for file in root.glob("roles/*/meta/argument_specs.yml"))

    def declared(self, playbook: str, own: str, is_used: Callable[[str], bool]) -> Declared:
        """Return what a run of a playbook takes.

        Args:
            playbook: its name; empty for a role that is used without one.
            own: the role that asks.
            is_used: tells whether a role of the playbook runs on this host.
        """
        playbooks = self._read("meta/options.yml")
        specs = {role: self._read(f"roles/{role}/meta/argument_specs.yml")["argument_specs"] for role in self._roles}
        used = dict.fromkeys([own, *filter(is_used, playbooks[playbook]["roles"] if playbook else ())])
        options: dict[str, dict[str, Any]] = {}
        defaults: dict[str, Any] = {}
        for role in used:
            options |= {name: dict(option) for name, option in specs[role]["main"]["options"].items()}
            if role != own:  # Ansible knows those
                defaults |= self._load(str(self._root / "roles" / role / "defaults" / "main.yml"))
        if playbook:
            options.pop(TAG, None)
            options |= {name: {**option, "playbook": True} for name, option in playbooks[playbook]["options"].items()}
        elif TAG in options:
            options[TAG]["playbook"] = True
        of_playbooks = frozenset(_names(playbooks.values()))
        known = of_playbooks | _names(spec for role in specs.values() for spec in role.values())
        return Declared(options, defaults, known, ("app_", *(f"{role}_" for role in self._roles)), of_playbooks)

    def _read(self, name: str) -> Any:
        return yaml_load((self._root / name).read_text(encoding="utf-8"))


def _names(specs: Iterable[dict[str, Any]]) -> set[str]:
    return {name for spec in specs for name in spec.get("options", ())}
