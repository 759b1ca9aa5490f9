# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges the pending migrations on the controller, then has the program on the host run the stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.fairlead.fastapi.plugins.action.host_program import ActionModule as HostProgram
from ansible_collections.fairlead.fastapi.plugins.action.host_program import Result
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.review import classes, squawk, statements
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import Migration


class ActionModule(HostProgram):
    """See the module of the same name for its documentation."""

    def stage(self, name: str, arguments: Mapping[str, Any], task_vars: dict[str, Any] | None) -> Result:
        arguments = dict(arguments)
        wanted = boolean(arguments.pop("lint", True))
        plan = dict(arguments.get("plan") or {})
        if wanted and plan.get("pending") and not statements.is_installed():
            raise AnsibleActionFail(f"CONFIG: {statements.MISSING}", result={"code": "CONFIG"})
        try:
            planned = map(Migration.from_dict, plan.get("pending") or [])
            pending = classes.judge(planned, squawk.lint if wanted else None)
        except squawk.SquawkError as error:
            raise AnsibleActionFail(f"CONFIG: {error}", result={"code": "CONFIG"}) from error
        if pending:
            arguments["plan"] = {**plan, "pending": [migration.as_dict() for migration in pending]}
        result = super().stage(name, arguments, task_vars)
        if self._task.diff and pending:
            if result.get("failed"):  # Ansible shows no difference of what failed
                result["msg"] += f"\nThe SQL that was pending:\n{classes.shown(pending)}"
            else:
                result["diff"] = {"prepared": classes.shown(pending)}
        return result
