# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks a role's variables on the controller, before anything is asked of a host."""

from __future__ import annotations

import getpass
import secrets
import socket
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.fairlead.fastapi.plugins.module_utils import _input, _squawk, _volume_rules

_JINJA = ("{{", "{%", "{#")


class ActionModule(ActionBase):
    """See the module of the same name for its documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec({"tag_needed": {"type": "bool", "default": False}})
        variables = task_vars or {}
        role = self._task._role
        if role is None:
            raise AnsibleActionFail("check_input reads the argument specification of the role that it runs in; here is none")
        options = self._options(Path(role._role_path), arguments["tag_needed"])
        problems = self._problems(role.get_name(include_role_fqcn=False), options, variables)
        if problems:
            listing = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(problems, 1))
            result.update(failed=True, code="CONFIG", msg=f"CONFIG: {len(problems)} to mend; nothing was changed.\n{listing}")
        else:
            result.update(changed=False, run=secrets.token_hex(4), owner=f"{getpass.getuser()}@{socket.gethostname()}")
        return result

    def _options(self, role_path: Path, tag_needed: bool) -> dict[str, Any]:
        """Return the options of the role's main entry point; the tag is one only where a release is deployed."""
        specs = self._loader.load_from_file(str(role_path / "meta" / "argument_specs.yml"))
        options: dict[str, Any] = dict(specs["argument_specs"]["main"]["options"])
        if not tag_needed:
            options.pop("image_tag", None)
        return options

    def _problems(self, role: str, options: dict[str, Any], variables: dict[str, Any]) -> list[str]:
        problems: list[str] = []
        values: dict[str, Any] = {}
        for name, option in options.items():
            if name not in variables:
                if option.get("required"):
                    problems.append(_input.missing(name, option, variables))
                continue
            raw = variables[name]
            if name == "image_tag" and any(mark in str(raw) for mark in _JINJA):
                # Judged as it was written: a template in it must not even be rendered.
                problems.append(f"image_tag: an expression is not a tag: {_input.where(name, option)}")
                continue
            try:
                values[name] = self._templar.template(raw)
            except AnsibleError as error:
                problems.append(f"{name} cannot be worked out: {_cause(error)}: {_input.where(name, option)}")
        problems += _input.unnamed(values, options, variables)
        problems += self._type_problems(values, options)
        problems += _input.broken_rules(values, options)
        problems += self._linter_problems(values, options)
        problems += self._placement_problems(values, variables)
        return problems + _input.unknown(f"{role}_", options, variables)

    def _placement_problems(self, values: dict[str, Any], variables: dict[str, Any]) -> list[str]:
        if not values.get("app_volumes"):
            return []
        elsewhere = bool(values.get("app_database_url"))
        database = elsewhere or boolean(self._templar.template(variables.get("data_services_postgres", True)), strict=False)
        return _volume_rules.placement_problems(values.get("app_volumes"), variables.get("groups") or {}, elsewhere, database)

    @staticmethod
    def _linter_problems(values: dict[str, Any], options: dict[str, Any]) -> list[str]:
        """Look for the linter of migrations where a deploy would need it; it runs here, on the controller."""
        needed = all(
            boolean(values.get(name, options.get(name, {}).get("default", False)))
            for name in ("app_release_migrate", "app_release_migrate_lint")
        )
        return [_squawk.MISSING] if needed and "image_tag" in options and _squawk.find() is None else []

    @staticmethod
    def _type_problems(values: dict[str, Any], options: dict[str, Any]) -> list[str]:
        spec = {name: {**options[name], "required": False} for name in values}
        validated = ArgumentSpecValidator(spec).validate(values)
        return [f"{message}: in your inventory (group_vars)" for message in validated.error_messages]


def _cause(error: BaseException) -> str:
    """Return the innermost message; it names the variable that is missing."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).splitlines()[0]
