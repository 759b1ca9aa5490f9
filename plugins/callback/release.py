# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Screen output for people who release."""

from __future__ import annotations

DOCUMENTATION = r"""
name: release
type: stdout
short_description: Screen output for people who release
version_added: 1.0.0
description:
  - Shows each stage of a release with its steps and their seconds, a warning once, and a failure as the message that it is.
  - Of other tasks it names those that changed something and counts the rest; what was skipped is not shown.
  - Ends with a table - what became of each host, and how long each stage took there.
  - With C(-v) or more it shows the results of all tasks too, but never the arguments of a module.
extends_documentation_fragment:
  - result_format_callback
options:
  display_failed_stderr:
    description: Whether failures and unreachable hosts are written to the standard error.
    type: bool
    default: false
    env:
      - name: ANSIBLE_DISPLAY_FAILED_STDERR
    ini:
      - section: defaults
        key: display_failed_stderr
requirements:
  - Set as stdout in configuration, by E(ANSIBLE_STDOUT_CALLBACK=fairlead.fastapi.release) or by C(stdout_callback) in C(ansible.cfg).
author:
  - Fairlead contributors (@fairlead)
"""

from collections.abc import Mapping
from typing import Any

from ansible import constants as C
from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import printable_in
from ansible_collections.fairlead.fastapi.plugins.plugin_utils._run_told import (
    LOST,
    QUIET,
    HostRun,
    cause,
    code,
    debug_text,
    name_of,
    outcome,
    problem,
    short,
    stage_of,
    steps,
    table,
    text,
    told_stages,
    unshown,
    work,
)
from ansible_collections.fairlead.fastapi.plugins.plugin_utils._screen import Screen


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core ships no types
    """Prints events of a playbook; what they come down to is decided in plugin_utils."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "fairlead.fastapi.release"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hosts: dict[str, HostRun] = {}
        self._warned: set[tuple[str, str]] = set()
        self._play = ""  # its name, until it is shown
        self._screen = Screen(self._display)

    # The course of the playbook

    def v2_playbook_on_start(self, playbook: Any) -> None:
        if self._check():
            self._screen.show("Check mode: nothing is changed.", color=C.COLOR_HIGHLIGHT)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._count()
        self._play = play.get_name().strip()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Head the tasks of a play that says no more until something changes."""
        if self._play and not stage_of(task) and short(task.action) not in QUIET:
            self._screen.show(self._play, color=C.COLOR_HIGHLIGHT)
            self._play = ""

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self.v2_playbook_on_task_start(task, False)

    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._screen.show("no host matched", color=C.COLOR_SKIP)

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        self._screen.show("no host is left to go on with", color=C.COLOR_ERROR)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._count()
        rows = []
        for name in sorted(stats.processed):
            run = self._run(name)
            rows.append((name, outcome(run, stats.summarize(name), self._check()), run))
        if rows:
            self._screen.show("")
        for line, colour in table(rows):
            self._screen.show(line, color=colour)

    # Results

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        run = self._run(host.get_name())
        run.items = []
        if stage := "" if run.over else stage_of(task):
            self._screen.line(host.get_name(), stage, "…", C.COLOR_SKIP)

    def v2_runner_on_ok(self, result: Any) -> None:
        run, stage = self._take(result)
        body = result.result
        if stage:
            self._stages_done(result, told_stages(stage, body))
        elif short(result.task.action) == "debug":
            if not result.task.loop:  # else each item was shown
                self._debug(result)
            return
        elif short(result.task.action) not in QUIET:
            run.ok, run.changed = run.ok + (not body.get("changed")), run.changed + bool(body.get("changed"))
            if body.get("changed"):
                self._screen.line(self.host_label(result), "changed", name_of(result.task), C.COLOR_CHANGED)
        self._results(result, "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        run, stage = self._take(result)
        body, host = result.result, self.host_label(result)
        lines = [*run.items] or problem(body, cause(getattr(result, "exception", None)))
        if ignore_errors:
            self._screen.line(host, "ignored", f"{name_of(result.task)}: {lines[0]}", C.COLOR_SKIP)
        else:
            *done, (stage, body) = told_stages(stage, body)
            self._stages_done(result, done)
            run.failed(stage, body, name_of(result.task))
            if steps(body):
                self._screen.line(host, stage, work(body), C.COLOR_ERROR)
            if not code(body) and (path := result.task.get_path()):
                lines.append(f"task: {path}")
            self._block(host, "FAILED", stage or name_of(result.task), lines, C.COLOR_ERROR)
        self._results(result, "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        run, dummy = self._take(result)
        host, name = self.host_label(result), stage_of(result.task) or name_of(result.task)
        if result.task.ignore_unreachable:
            self._screen.line(host, "ignored", f"{name}: unreachable", C.COLOR_SKIP)
            return
        run.lost = stage_of(result.task)
        self._block(host, "UNREACHABLE", name, [*problem(result.result), *LOST], C.COLOR_UNREACHABLE)

    def v2_runner_on_skipped(self, result: Any) -> None:
        run, stage = self._take(result)
        if stage and not run.over:  # its beginning was shown
            self._screen.line(self.host_label(result), stage, "skipped", C.COLOR_SKIP)
        self._results(result, "skipped")

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._tell_warnings(result)
        if short(result.task.action) == "debug":
            self._debug(result)
        else:
            self._results(result, "ok item")

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._tell_warnings(result)
        # Shown with the task, when all items are through: only then is known whether they are to be ignored.
        item = "" if "censored" in result.result else text(self._get_item_label(result.result))
        said = problem(result.result, cause(getattr(result, "exception", None)))
        self._run(result.host.get_name()).items += [f"item {item}:", *(f"  {line}" for line in said)] if item else said
        self._results(result, "failed item")

    def v2_runner_retry(self, result: Any) -> None:
        if self._run_is_verbose(result):
            left = result.result["retries"] - result.result["attempts"]
            self._screen.line(self.host_label(result), "again", f"{name_of(result.task)}: {left} tries left", C.COLOR_DEBUG)

    def v2_on_file_diff(self, result: Any) -> None:
        items = result.result.get("results") if result.task.loop else None
        for body in items if isinstance(items, list) else [result.result]:
            if difference := self._get_diff(printable_in(body["diff"])) if body.get("diff") and body.get("changed") else "":
                self._screen.line(self.host_label(result), "diff", stage_of(result.task) or name_of(result.task), C.COLOR_CHANGED)
                self._display.display(difference)  # with colours of Ansible's own

    # How it is shown

    def _take(self, result: Any) -> tuple[HostRun, str]:
        run = self._run(result.host.get_name())
        self._tell_warnings(result)
        self._clean_results(result.result, result.task.action)
        return run, stage_of(result.task)

    def _stages_done(self, result: Any, stages: list[tuple[str, Mapping[str, Any]]]) -> None:
        """Show stages that succeeded, each on a line."""
        for stage, body in stages:
            self._run(result.host.get_name()).stage_done(stage, body)
        for stage, body in unshown(stages, result.result.get("steps_shown") or 0):
            if done := work(body) or ("would run" if result.task.check_mode and body.get("changed") else ""):
                self._screen.line(self.host_label(result), stage, done, C.COLOR_CHANGED if body.get("changed") else C.COLOR_OK)

    def _run(self, host: str) -> HostRun:
        self._screen.width = max(self._screen.width, len(host))
        return self._hosts.setdefault(host, HostRun())

    def _check(self) -> bool:
        return bool(context.CLIARGS.get("check"))

    def _block(self, host: str, label: str, name: str, lines: list[str], colour: str) -> None:
        self._screen.block(host, label, name, lines, colour, stderr=bool(self.get_option("display_failed_stderr")))

    def _debug(self, result: Any) -> None:
        self._clean_results(result.result, result.task.action)
        if said := debug_text(result.result):
            self._screen.text(self.host_label(result), said, C.COLOR_OK)

    def _tell_warnings(self, result: Any) -> None:
        host = self.host_label(result)
        for warning in result.result.pop("warnings", None) or ():
            if (host, str(warning)) not in self._warned:
                self._warned.add((host, str(warning)))
                self._screen.line(host, "warning", str(warning), C.COLOR_WARN)
        if "censored" in result.result or not self._run_is_verbose(result):
            # Its message may quote what was hidden; what it comes down to is shown otherwise.
            result.result.pop("exception", None)
        self._handle_warnings_and_exception(result)

    def _results(self, result: Any, word: str) -> None:
        """Show a result as it is, when that was asked for; items were shown one by one."""
        if self._run_is_verbose(result):
            shown = ("censored",) if "censored" in result.result else result.result.keys() - {"invocation", "results"}
            body = self._dump_results({key: result.result[key] for key in shown})
            self._screen.text(self.host_label(result), f"{word}: {name_of(result.task)} => {body}", C.COLOR_VERBOSE)

    def _count(self) -> None:
        """Close a play: how many plain tasks it had on each host."""
        for host, run in self._hosts.items():
            if run.ok or run.changed:
                self._screen.line(host, "done", f"{run.ok} ok, {run.changed} changed", C.COLOR_CHANGED if run.changed else C.COLOR_OK)
            run.ok = run.changed = 0
