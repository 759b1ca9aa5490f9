# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs stages by the program on the host, and brings the program there where it is missing."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.stage_options import STAGES, TASKS
from ansible_collections.fairlead.fastapi.plugins.plugin_utils import _playbooks
from ansible_collections.fairlead.fastapi.plugins.plugin_utils._following import Show, command, following
from ansible_collections.fairlead.fastapi.plugins.plugin_utils._host_program import program, version
from ansible_collections.fairlead.fastapi.plugins.plugin_utils._run_told import short_stage
from ansible_collections.fairlead.fastapi.plugins.plugin_utils._screen import Screen

MODULE = "fairlead.fastapi.host_program"
DIRECTORY = "/usr/local/lib/fairlead"
# How the command says that the host has another version only, and that it was never provisioned for the app.
MISSING, NOT_PROVISIONED = 91, 92

OPTIONS = {**STAGES, **TASKS}

Result = dict[str, Any]


class ActionModule(ActionBase):
    """Of the module host_program, and of all stages: see meta/runtime.yml."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        name = self._task.action.rpartition(".")[2]
        if name in OPTIONS:
            return {**result, **self.stage(name, self._task.args, task_vars)}
        given = {**self._task.args, "name": program().name, "version": version()}
        if not given.keys() & {"directory"} and self._is_current():
            return {**result, "changed": False, "name": program().name, "installed": True}
        told = self._execute_module(MODULE, given, task_vars)
        if told.get("changed") and not self._task.check_mode:
            told = self._execute_module(MODULE, {**given, "archive": _archive()}, task_vars)
        return {**result, **told}

    def stage(self, name: str, arguments: Mapping[str, Any], task_vars: dict[str, Any] | None) -> Result:
        """Run a stage on the host and return its result.

        Raises:
            AnsibleActionFail: the options are wrong, or the program ended without an answer.
        """
        checked = ArgumentSpecValidator(OPTIONS[name]).validate(dict(arguments))
        if checked.error_messages:
            raise AnsibleActionFail(f"{name}: {'; '.join(checked.error_messages)}")
        wanted = {"stage": name, "params": checked.validated_parameters, "check": bool(self._task.check_mode)}
        document = json.dumps(wanted, default=str)
        python = str((task_vars or {}).get("ansible_python_interpreter", ""))
        self._python = python if python.startswith("/") else ""
        with following(self._reader(checked.validated_parameters.get("run")), self._shown(task_vars or {})) as follower:
            done = self._call(self._found(DIRECTORY if name in TASKS else f"/opt/fairlead/{checked.validated_parameters['app']}"), document)
            if done["rc"] in (MISSING, NOT_PROVISIONED):
                done = self._brought(done["rc"] == NOT_PROVISIONED, document, task_vars)
        hidden = checked._no_log_values
        said = remove_values(str(done["stderr"]).strip(), hidden)
        result: Result = remove_values(_answer(name, done["rc"], str(done["stdout"]), said), hidden)  # as AnsibleModule does
        result = _playbooks.named(result, _playbooks.are_here(Path.cwd()))
        return {**result, "steps_shown": follower.told} if follower else result

    def _reader(self, run: str | None) -> list[bytes] | None:
        """Return the local command that prints what the call does; None where it would need a password, or another way than SSH."""
        connection, become = self._connection, self._connection.become
        if not run or self._task.check_mode or connection.transport != "ssh" or connection.get_option("password"):
            return None
        if become and become.get_option("become_pass", playcontext=self._play_context):
            return None
        wanted = command(run)
        if become:
            wanted = become.build_become_command(wanted, connection._shell)
        host = connection.get_option("host") or self._play_context.remote_addr
        remote = f"{self._play_context.executable} -c {shlex.quote(wanted)}"
        built: list[bytes] = connection._build_command(connection.get_option("ssh_executable"), "ssh", host, remote)
        return built

    def _shown(self, task_vars: Mapping[str, Any]) -> Show:
        """Return what shows steps as the callback does."""
        host, screen = str(task_vars.get("inventory_hostname", "")), Screen(Display())
        screen.width = max((len(str(name)) for name in task_vars.get("ansible_play_hosts_all", ())), default=0)
        return lambda stage, steps: screen.line(host, short_stage(stage), steps, C.COLOR_CHANGED)

    def _brought(self, strange: bool, document: str, task_vars: dict[str, Any] | None) -> Result:
        """Bring the program, for good or, where nothing may change, for this once, and run it."""
        temporary = strange or bool(self._task.check_mode)
        given = {"name": program().name, "version": version(), "archive": _archive(), "temporary": temporary}
        told = self._execute_module(MODULE, given, task_vars)
        if told.get("failed"):
            raise AnsibleActionFail("the program could not be brought to the host", result=told)
        directory = told["path"].rpartition("/")[0]
        run = self._run(directory)
        removed = f'{run}; code=$?; rm -rf {shlex.quote(directory)}; exit "$code"'
        return self._call(removed if temporary else run, document)

    def _is_current(self) -> bool:
        """Tell whether the host has this version, and timers use it."""
        path = f"{DIRECTORY}/{program().name}/fairlead"
        done = self._low_level_execute_command(f"[ -x {path} ] && readlink {DIRECTORY}/current")
        return str(done["stdout"]).strip() == program().name

    def _found(self, home: str) -> str:
        """Return the command that runs a stage, or says why it cannot; a host was provisioned where it has the directory `home`."""
        own, home = f"{DIRECTORY}/{program().name}", shlex.quote(home)
        run = self._run(own)
        return f"if [ -x {own}/fairlead ]; then {run}; elif [ -d {home} ]; then exit {MISSING}; else exit {NOT_PROVISIONED}; fi"

    def _run(self, directory: str) -> str:
        """Return the command that runs a stage: by the Python that is set for the host, else by the one that installed it."""
        # Not the launcher itself: nothing may be executed from /tmp where that is mounted so.
        words = [self._python, "-IS", directory] if self._python else ["/bin/sh", f"{directory}/fairlead"]
        return f"{self._compute_environment_string()} {shlex.join(words)} stage".strip()

    def _call(self, command: str, document: str) -> Result:
        """Run a command that reads the document; by a file, where the connection takes no standard input for commands."""
        if self._is_pipelining_enabled("new"):
            called: Result = self._low_level_execute_command(command, in_data=document.encode())
            return called
        directory = self._make_tmp_path()
        path = self._connection._shell.join_path(directory, "stage.json")  # as action plugins do
        self._transfer_data(path, document)
        self._fixup_perms2((directory, path), execute=False)
        called = self._low_level_execute_command(f"{{ {command}; }} <{shlex.quote(path)}")
        return called


def _archive() -> str:
    return base64.b64encode(program().archive()).decode()


def _answer(name: str, code: int, printed: str, said: str) -> Result:
    """Return what the program answered: the last line that it printed."""
    lines = printed.strip().splitlines()
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError):
        last = said.splitlines()[-1] if said else f"exit code {code}"
        raise AnsibleActionFail(f"{name} ended without an answer: {last}", result={"module_stderr": said, "rc": code}) from None
    return dict(answer)
