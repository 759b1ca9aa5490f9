# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release watched for a while after the switch, with the one before it still warm."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base import proc
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.limits import (
    Responses,
    errors_problem,
    killed_problem,
    memory_warning,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import verdict
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import edge
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import served_since
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.log_hints import describe_exit, hint
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

INTERVAL = 0.25
# One slow answer of a busy host is no failure.
BAD_ANSWERS = 3
ANSWER_SECONDS = 2.0
SHOWN_LOG_LINES = 30
SHOWN_HEALTH = 200


class Bake:
    """The watch over one release.

    Args:
        candidate: the release.
        container: `docker inspect` of it before the switch.
        answers: the proxy's log of this app's answers. Only what it tells since the last switch was answered by the release before: a
            release that failed and was put back must not excuse the errors of the next.
    """

    def __init__(self, candidate: Candidate, container: Dict[str, Any], answers: edge.Answers) -> None:
        self._candidate = candidate
        self._settings = candidate.settings
        self._container = container
        self._listener = candidate.listener(container)
        self._answers = answers
        self._before = answers.recent(served_since(candidate.paths))
        self._during = Responses(0, 0)
        self._bad: List[str] = []

    def watch(self) -> Optional[Responses]:
        """Watch for ``bake_seconds`` and return what the proxy answered meanwhile, if it tells.

        Raises:
            ReleaseError: BAKE_FAILED as soon as the release restarts, stops, is not ready any more, or answers more errors.
        """
        deadline = time.monotonic() + float(self._settings["bake_seconds"])
        while True:
            self._during += self._answers.new()
            problem = self._restarted() or self._killed() or self._not_ready() or self._errors()
            if problem:
                raise self._failed(problem)
            if time.monotonic() >= deadline:
                return self._during if self._before else None
            time.sleep(INTERVAL)

    def _restarted(self) -> str:
        state = docker.container_state(self._container["Id"])
        if state is None:
            return "its container is gone"
        started = state["StartedAt"] != self._container["State"]["StartedAt"]
        if started or state["RestartCount"] > self._container.get("RestartCount", 0) or not state["Running"]:
            # The engine forgets the exit code when it starts the container again.
            ended = state.get("Restarting") or not state["Running"]
            how = f"with exit code {describe_exit(state['ExitCode'])}" if ended else "and was started again"
            return f"it ended by itself {how}"
        return ""

    def warnings(self) -> List[str]:
        """Return what is not wrong yet, at the end of the watch."""
        state = docker.container_state(self._container["Id"]) or {}
        found = [memory_warning(docker.memory_used(self._container["Id"]), int(self._settings["memory_bytes"])), unhealthy(state)]
        return [warning for warning in found if warning]

    def _killed(self) -> str:
        """Whether a process was killed for memory: where others take its place, nothing else tells."""
        killed = proc.killed_for_memory(self._container["State"].get("Pid", 0))
        return killed_problem(killed, int(self._settings["memory_bytes"])) or ""

    def _not_ready(self) -> str:
        answer = self._listener.get(self._settings["ready_path"], ANSWER_SECONDS)
        problem = verdict(answer, self._settings["identity"], self._candidate.id)
        self._bad = [*self._bad, problem] if problem else []
        return f"{len(self._bad)} bad answers in a row at {self._settings['ready_path']}" if len(self._bad) >= BAD_ANSWERS else ""

    def _errors(self) -> str:
        if self._before is None:
            return ""
        return errors_problem(self._before, self._during, float(self._settings["bake_errors"])) or ""

    def _failed(self, problem: str) -> ReleaseError:
        tail = docker.log_tail(self._container["Id"], SHOWN_LOG_LINES)
        todo = "raise app_release_memory" if "app_release_memory" in problem else hint(tail) or "fix the image"
        return ReleaseError(
            "BAKE_FAILED",
            f"{self._candidate.title} failed after the switch: {problem}; traffic was switched back",
            f"{todo}; its last log lines are below",
            [*(f"answer: {bad}" for bad in self._bad), "last log lines:", *(f"  {line}" for line in tail)],
        )


def unhealthy(state: Dict[str, Any]) -> Optional[str]:
    """Say that a container's own HEALTHCHECK fails, with what it printed; None when it does not, or there is none.

    It decides nothing: what it asks was decided with the image, and often is a port that the app does not use here.
    """
    health = state.get("Health") or {}
    if health.get("Status") != "unhealthy":
        return None
    last = (health.get("Log") or [{}])[-1].get("Output") or ""
    return f"UNHEALTHY: the image's HEALTHCHECK fails: {' '.join(last.split())[:SHOWN_HEALTH] or 'it prints nothing'}"
