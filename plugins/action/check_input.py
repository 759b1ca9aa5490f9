# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks the variables of roles and playbooks on the controller, before anything is asked of a host."""

from __future__ import annotations

import getpass
import secrets
import socket
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.release import __version__
from ansible.utils.vars import load_extra_vars
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.inputs import checks, volume_rules
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.review import squawk, statements
from ansible_collections.fairlead.fastapi.plugins.plugin_utils import _declared, _playbooks, _source, _support

_JINJA = ("{{", "{%", "{#")
_COLLECTION = Path(__file__).parents[2]
# Roles whose variables need to be right only on the hosts of a group.
_GROUPS = {"data_services": "data_hosts", "edge_proxy": "edge_hosts"}

# Mappings whose values become texts.
_TEXTS = ("_env", "_secrets", "_environment")


class ActionModule(ActionBase):
    """See the module of the same name for its documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        if too_old := _support.refusal(__version__):
            raise AnsibleActionFail(too_old)
        result: dict[str, Any] = super().run(tmp, task_vars)
        dummy, arguments = self.validate_argument_spec({"playbook": {"type": "str", "default": ""}})
        variables = task_vars or {}
        role = self._task._role
        if role is None:
            raise AnsibleActionFail("check_input reads the argument specification of the role that it runs in; here is none")
        declared = self._of_run(role.get_name(include_role_fqcn=False), arguments["playbook"], variables)
        problems = self._problems(declared, variables, list(load_extra_vars(self._loader)))
        if problems:
            counted = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
            problems = _playbooks.named(problems, _playbooks.are_here(Path.cwd()))
            listing = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(problems, 1))
            result.update(failed=True, code="CONFIG", msg=f"CONFIG: {counted} in your variables; nothing was changed.\n{listing}")
        else:
            result.update(changed=False, run=secrets.token_hex(4), owner=f"{getpass.getuser()}@{socket.gethostname()}")
        return result

    def _of_run(self, own: str, playbook: str, variables: dict[str, Any]) -> _declared.Declared:
        def is_used(role: str) -> bool:
            return role not in _GROUPS or variables["inventory_hostname"] in variables["groups"].get(_GROUPS[role], ())

        def load(path: str) -> Any:
            return self._loader.load_from_file(path, trusted_as_template=True)

        return _declared.Collection(_COLLECTION, load).declared(playbook, own, is_used)

    def _problems(self, declared: _declared.Declared, variables: dict[str, Any], given: list[str]) -> list[str]:
        """Return all that is wrong.

        Args:
            given: names of variables given with -e.
        """
        places = {str(name): "with -e" if name in given else _source.place(name, value, _COLLECTION) for name, value in variables.items()}
        for name, option in declared.options.items():
            option["place"] = places.get(name, "")
        values, problems = self._values(declared, variables)
        wrong = checks.wrong_types(values, declared.options)
        fit = {name: value for name, value in values.items() if name not in wrong}
        problems += checks.unnamed(values, declared.options, variables)
        problems += [*wrong.values(), *checks.broken_rules(fit, declared.options), *self._traps(fit, declared.options)]
        problems += [*self._linter_problems(fit, declared.options), *_placement_problems(fit, variables)]
        misspelt = checks.misspelt(declared.of_playbook, declared.of_playbooks, declared.known, given)
        return [*problems, *{**checks.unknown(declared.prefixes, declared.known, places), **misspelt}.values()]

    def _values(self, declared: _declared.Declared, variables: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return the values of all options that are set or have a default, and what hinders from knowing the others."""
        values: dict[str, Any] = {}
        problems: list[str] = []
        available = {**declared.defaults, **variables}
        self._templar.available_variables = available
        for name, option in declared.options.items():
            if name not in available:
                if option.get("required"):
                    problems.append(checks.missing(name, option, variables))
                continue
            raw = available[name]
            if name == _declared.TAG and any(mark in str(raw) for mark in _JINJA):
                # Judged as it was written: a template in it must not even be rendered.
                problems.append(f"{name}: an expression is not a tag: {checks.where(name, option)}")
                continue
            try:
                values[name] = self._templar.template(raw)
            except AnsibleError as error:
                problems.append(f"{name} cannot be worked out: {_cause(error)}: {checks.where(name, option)}")
        return values, problems

    def _traps(self, values: dict[str, Any], options: dict[str, dict[str, Any]]) -> list[str]:
        """Describe numbers that were meant as texts."""
        problems = []
        for name, value in values.items():
            if options[name].get("type") == "str" or name.endswith(_TEXTS):
                hidden = bool(options[name].get("no_log")) or name.endswith("_secrets")
                found = _source.traps(name, value, self._loader.get_text_file_contents)
                problems += [checks.trapped(*trap, hidden) for trap in found]
        return problems

    @staticmethod
    def _linter_problems(values: dict[str, Any], options: dict[str, Any]) -> list[str]:
        """Look for what reads and judges migrations where a deploy would need it; it runs here, on the controller."""
        needed = all(
            boolean(values.get(name, options.get(name, {}).get("default", False)))
            for name in ("app_release_migrate", "app_release_migrate_lint")
        )
        if not needed or _declared.TAG not in options:
            return []
        return [*([] if squawk.find() else [squawk.MISSING]), *([] if statements.is_installed() else [statements.MISSING])]


def _placement_problems(values: dict[str, Any], variables: dict[str, Any]) -> list[str]:
    if not values.get("app_volumes"):
        return []
    elsewhere = bool(values.get("app_database_url")) or not boolean(values.get("data_services_postgres", True), strict=False)
    return volume_rules.placement_problems(values["app_volumes"], variables.get("groups") or {}, elsewhere)


def _cause(error: BaseException) -> str:
    """Return the innermost message; it names the variable that is missing."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).splitlines()[0]
