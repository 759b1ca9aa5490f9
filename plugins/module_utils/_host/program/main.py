# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program on a host: what the controller has it do, and what timers start."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import retirement
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.program.progress import Progress, reported
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Result, perform
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError, explain
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.stage_options import TASKS

NICE = 5
# What follows in one call, where one host is released.
AFTER = dict.fromkeys(("release_prepare", "release_target"), ("release_rollout", "release_finish"))
PROVISION = "ansible_collections.fairlead.fastapi.plugins.module_utils._host.provision"
STAGES = "ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages"


def run_stage(document: str) -> Result:
    """Run the stage that a document of the controller asks for, and return its result.

    Args:
        document: JSON: ``stage``, its name; ``params``, its checked options; ``check``, whether it may only look.
    """
    # Users of the live release go first where the host is short of CPU; containers are not affected, only our own work.
    os.nice(NICE)
    wanted = json.loads(document)
    if wanted["stage"] in TASKS:
        return _provision(wanted["stage"], wanted["params"], wanted["check"])
    with reported(wanted["params"].get("run", ""), wanted["check"]) as progress:
        return _run(wanted["stage"], wanted["params"], wanted["check"], progress)


def _provision(task: str, params: Dict[str, Any], check: bool) -> Result:
    try:
        done: Result = import_module(f"{PROVISION}.{task}").run(params, check)
    except ReleaseError as error:
        return {"failed": True, "msg": explain(error), "code": error.code}
    return done


def _run(stage: str, params: Dict[str, Any], check: bool, progress: Optional[Progress]) -> Result:
    result = _perform(stage, params, check, progress)
    if not params.get("go_on") or not may_go_on(result):
        return result
    params = {**params, "lock_wait": 0.0, "release": result["release"]["id"], "migrations": []}
    result["then"] = []
    for following in AFTER[stage]:
        done = _perform(following, params, check, progress)
        result["warnings"] += done.pop("warnings")
        result["then"].append({"stage": following, **done})
        if done.get("failed"):
            return {**result, **{key: done[key] for key in ("failed", "msg", "code", "serving")}}
    return result


def may_go_on(result: Result) -> bool:
    """Tell whether the controller has nothing to decide after the stage that began a run."""
    if result.get("failed") or result.get("unchanged"):
        return False
    return not result.get("plan", {}).get("due") and result.get("downgrade") is None


def _perform(stage: str, params: Dict[str, Any], check: bool, progress: Optional[Progress]) -> Result:
    work = import_module(f"{STAGES}.{stage}").run
    if progress is None:
        return perform(work, params, check)
    progress.stage = stage
    return perform(work, params, check, progress.told)


def main(arguments: Optional[List[str]] = None) -> int:
    """Run as a program; print one line of JSON and return the exit code."""
    parser = argparse.ArgumentParser(prog="fairlead", description="Run a stage for the controller, or what timers start.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("stage", help="run the stage that standard input asks for")
    for name, said in (("backup", "back an app up, as scheduled"), ("drill", "prove an app's newest backup")):
        commands.add_parser(name, help=said).add_argument("--app", required=True, help="the app's name")
    retire = commands.add_parser("retire", help="stop a release that is not live any more, after its last request")
    for name, said in (("--app", "the app's name"), ("--release", "the release's id")):
        retire.add_argument(name, required=True, help=said)
    wanted = parser.parse_args(arguments)
    with in_use(Path(sys.path[0])):
        told = _told(wanted)
    _answer(json.dumps(told, sort_keys=True))
    return 0 if told.get("ok", True) else 1


def _told(wanted: argparse.Namespace) -> Dict[str, Any]:
    if wanted.command == "stage":
        return run_stage(sys.stdin.buffer.read().decode("utf-8"))
    if wanted.command == "retire":
        os.nice(NICE)
        return retirement.stop(AppPaths(wanted.app), wanted.release)
    from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import scheduled  # stages do without

    return {"backup": scheduled.back_up, "drill": scheduled.prove}[wanted.command](AppPaths(wanted.app))


@contextlib.contextmanager
def in_use(directory: Path) -> Iterator[None]:
    """Keep this version on the host while it runs, and as one that is in use.

    The installation of others removes only what nobody holds a lock on, and those first that were used longest ago.
    """
    if not directory.is_dir():  # an archive, for one run
        yield
        return
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        with contextlib.suppress(OSError):  # read-only where a timer's unit says so
            os.utime(directory)
        yield
    finally:
        os.close(handle)


def _answer(line: str) -> None:
    # Whoever asked may be gone; what was done is on record.
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
