# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run of a playbook comes down to for people: outcomes, problems, the closing table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible import constants as C

SHOWN_LINES = 20  # of what a command printed before it failed
# What Ansible's own messages leave unsaid, by a part of the message.
_TODO = {
    "Missing sudo password": "sudo on this host asks for a password: give it with -K, or set ansible_become_password from the vault",
    "Incorrect sudo password": "sudo refused the password that was given with -K or set in ansible_become_password",
    "not in the sudoers": "the user that logs in (ansible_user) may not use sudo: add it to the group sudo, or log in as root",
    "Permission denied (": "check ansible_user and ansible_ssh_private_key_file, or whether the key's public half is on the host",
    "Host key verification failed": "log in once by hand (ssh user@host) and compare the host's key",
}
_CODE = re.compile(r"[A-Z][A-Z_]+(?=: )")

Outcome = tuple[str, str]

# These only decide and tell; their names are neither progress nor change.
QUIET = ("assert", "check_input", "debug", "include_role", "include_tasks", "include_vars", "meta", "set_fact", "validate_argument_spec")
LOST = (
    "Serving now: not known from here; what served goes on serving",
    "To do: look with playbooks/status.yml, then give the same command again; what was begun on the host is then finished, "
    "or cleared away, by itself",
)


@dataclass
class HostRun:
    """What is known of one host in this run of the playbook."""

    stages: list[tuple[str, float]] = field(default_factory=list)
    release: str = ""  # the release that this run is about
    unchanged: bool = False  # it was live already: later stages have nothing to do
    settled: str = ""
    failure: str = ""
    failed_in_stage: bool = False
    lost: str = ""  # the stage in which the connection was lost
    items: list[str] = field(default_factory=list)  # what failed items of the present loop say
    ok: int = 0  # plain tasks of the present play
    changed: int = 0

    @property
    def over(self) -> bool:
        """Whether no stage is to come any more."""
        return self.unchanged or "finish" in dict(self.stages)

    def stage_done(self, stage: str, result: Mapping[str, Any]) -> None:
        """Take in what a stage that succeeded says of the host."""
        self.stages.append((stage, seconds(result)))
        self.failure, self.failed_in_stage = "", False
        told = title(result.get("release"))
        if stage in ("prepare", "target"):
            self.release, self.unchanged = told, bool(result.get("unchanged"))
            self.settled = f"unchanged, {told} is live" if self.unchanged else ""
        elif stage == "finish" and told:
            self.settled = f"{told} is live"
        elif stage == "status":
            self.settled = f"{title(result['live'])} is live, {result.get('health')}" if result.get("live") else "nothing is live"
        elif stage == "smoke":
            self.settled = "answers"

    def failed(self, stage: str, result: Mapping[str, Any], task: str) -> None:
        """Take in what a stage, or another task, says that failed."""
        self.failed_in_stage = bool(stage)
        self.failure = code(result) or f"in {stage or task}"
        if result.get("serving"):
            self.failure += f", serving {result['serving'].split(' (')[0]}"
        if steps(result):
            self.stages.append((stage, seconds(result)))


def title(release: Any) -> str:
    """Return a release as people name it: its id and tag."""
    return f"{release['id']} ({release['tag']})" if isinstance(release, Mapping) and {"id", "tag"} <= release.keys() else ""


def told_stages(stage: str, result: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the stages that one call ran, in order, each with its result."""
    then = [(short_stage(following["stage"]), following) for following in result.get("then") or ()]
    return [(stage, result), *then]


def unshown(stages: list[tuple[str, Mapping[str, Any]]], shown: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield stages with those of their steps that were not shown while they ran."""
    for stage, result in stages:
        all_steps = steps(result)
        yield stage, {**result, "steps": all_steps[shown:]} if all_steps else result
        shown = max(0, shown - len(all_steps))


def steps(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the steps that a stage tells."""
    found = result.get("steps")
    return [step for step in found if isinstance(step, Mapping) and "step" in step] if isinstance(found, list) else []


def seconds(result: Mapping[str, Any]) -> float:
    """Return how long a stage worked on the host."""
    return sum(float(step.get("seconds") or 0) for step in steps(result))


def work(result: Mapping[str, Any]) -> str:
    """Return what a stage did, on one line."""
    done = [f"{step['step']} {step.get('seconds') or 0:.1f} s" + (" failed" if step.get("failed") else "") for step in steps(result)]
    checks = result.get("checks")
    return " · ".join(done or (str(check) for check in (checks if isinstance(checks, list) else ())))


def text(value: Any) -> str:
    """Return a message as lines; what is no text as indented JSON."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, default=str)


def code(result: Mapping[str, Any]) -> str:
    """Return the stable code of a failure; empty when it has none."""
    found = _CODE.match(text(result.get("msg", "")))
    return str(result.get("code") or (found.group() if found else ""))


def problem(result: Mapping[str, Any], cause: str = "") -> list[str]:
    """Return what a failed task says, in lines.

    Args:
        result: of the task, or of one item of its loop.
        cause: the innermost message of the error, where Ansible knows one.
    """
    if "censored" in result:
        return [str(result["censored"])]
    lines = text(result.get("msg") or "no message").splitlines()
    if code(result):
        return lines
    if cause and not any(cause in line for line in lines):
        lines.append(f"because: {cause}")
    lines += [f"To do: {todo}" for said, todo in _TODO.items() if any(said in line for line in lines)]
    if result.get("rc") is not None:
        lines.append(f"exit code: {result['rc']}")
    for stream in ("stderr", "stdout", "module_stderr", "module_stdout"):
        # A module's failure often quotes what it ran.
        said = [line for line in text(result.get(stream) or "").splitlines() if line.strip() and line not in lines]
        if said:
            lines += [f"{stream}:", *(f"  {line}" for line in said[-SHOWN_LINES:])]
    return lines


def cause(error: Any) -> str:
    """Return the innermost message of Ansible's summary of an error; empty when there is none."""
    event, said = getattr(error, "event", None), ""
    while event is not None:
        said = str(getattr(event, "msg", "")).strip() or said
        event = getattr(getattr(event, "chain", None), "event", None)
    return said


def outcome(run: HostRun, counts: Mapping[str, int], check: bool) -> Outcome:
    """Return what became of a host, and the colour of that.

    Args:
        run: what the stages told.
        counts: Ansible's own, by `stats.summarize`.
        check: whether nothing was to be changed.
    """
    if counts["unreachable"]:
        return f"unreachable{f' in {run.lost}' if run.lost else ''}", C.COLOR_UNREACHABLE
    if counts["failures"] or run.failed_in_stage:
        return f"failed {run.failure}".strip(), C.COLOR_ERROR
    if run.settled:
        return run.settled, C.COLOR_CHANGED if "finish" in dict(run.stages) else C.COLOR_OK
    if run.release and check:
        return f"{run.release} would be put into service", C.COLOR_CHANGED
    if run.stages:
        last = run.stages[-1][0]
        goes_on = f"; {run.release or 'it'} serves, and the next run finishes it" if last == "rollout" else ""
        return f"ended after {last}{goes_on}", C.COLOR_WARN
    if counts["changed"]:
        return f"{counts['changed']} changed, {counts['ok'] - counts['changed']} ok", C.COLOR_CHANGED
    return "unchanged", C.COLOR_OK


def table(rows: list[tuple[str, Outcome, HostRun]]) -> Iterator[Outcome]:
    """Yield the lines of the closing table with their colours."""
    cells = [(name, outcome[0], *_times(run)) for name, outcome, run in rows]
    staged = any(row[2].stages for row in rows)
    headed = [("host", "outcome", "phases", "total") if staged else ("host", "outcome", "", ""), *cells]
    widths = [max(len(row[column]) for row in headed) for column in range(4)]
    for row, colour in zip(headed, (C.COLOR_HIGHLIGHT, *(row[1][1] for row in rows)), strict=True):
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip(), colour


def _times(run: HostRun) -> Outcome:
    if not run.stages:
        return "", ""
    return " · ".join(f"{stage} {took:.1f} s" for stage, took in run.stages), f"{sum(stage[1] for stage in run.stages):.1f} s"


def short(action: str) -> str:
    """Return an action's name without its collection."""
    return action.rpartition(".")[2]


def name_of(task: Any) -> str:
    """Return the name of a task without the collection's."""
    return str(task.get_name(include_role_fqcn=False)).strip()


def stage_of(task: Any) -> str:
    """Return the stage of a release that a task is; empty for any other task."""
    collection, dummy, name = task.action.rpartition(".")
    return short_stage(str(name)) if collection in ("", "fairlead.fastapi") and name.startswith("release_") else ""


def short_stage(name: str) -> str:
    """Return a stage as it is shown."""
    return name.removeprefix("release_")


def debug_text(body: Mapping[str, Any]) -> str:
    """Return what a debug task shows: its message, or the variables that it names."""
    if "msg" in body or "censored" in body:
        return text(body.get("msg", body.get("censored")))
    hidden = ("results", body.get("ansible_loop_var"))
    return "\n".join(f"{key}: {text(value)}" for key, value in body.items() if key not in hidden and not key.startswith("_ansible_"))
