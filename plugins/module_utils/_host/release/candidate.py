# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release's containers: started, asked whether they are ready, given up."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base import proc
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.limits import killed_problem
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import Answer, Listener, verdict
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.image import Image
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import socket_dir
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import BundleRecord, checksums, read_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.containers import is_one_off, serving
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.log_hints import describe_exit, hint
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.readiness import (
    USUAL_PATHS,
    Patience,
    Reason,
    Seen,
    Tally,
    reason_for,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import API
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes import app_volumes
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

PROBE_INTERVAL = 0.1
# How often the engine is asked whether the container still runs; a question costs some 30 ms of CPU.
STATE_INTERVAL = 0.5
# What is asked beside the ready path, to say what is wrong, gets little time.
OTHER_SECONDS = 1.0
OTHER_PORTS = 4
SHOWN_ANSWERS = 5
SHOWN_LOG_LINES = 30
READ_LOG_LINES = 1000
# Time for a container with a slow disk to be created and started.
START_SECONDS = 120.0


class Candidate:
    """One release on this host, live or on its way.

    Args:
        paths: the app's files.
        release: the release's id; its bundle must exist.
        record: what its bundle says of itself, where that was read already.
    """

    def __init__(self, paths: AppPaths, release: str, record: Optional[BundleRecord] = None) -> None:
        self.paths = paths
        self.id = release
        self.record = record or read_record(paths, release)
        self.settings = self.record.settings

    @property
    def project(self) -> str:
        return f"{self.paths.app}-{self.id}"

    @property
    def title(self) -> str:
        return self.record.release.title

    @property
    def image(self) -> str:
        """The image by digest."""
        return self.record.release.image.reference

    @property
    def for_migrations(self) -> Image:
        """What its migrations are run from."""
        return Image(self.project, self.paths.bundle(self.id), self.title, self.image, self.settings)

    def container(self) -> Optional[Dict[str, Any]]:
        """Return `docker inspect` of the serving container, or None."""
        return serving(docker.containers(self.paths.app, self.id), self.id)

    def start(self) -> None:
        """Start the release beside whatever serves.

        Raises:
            ReleaseError: START_FAILED, VOLUME_FOREIGN.
        """
        socket_dir.make(self.paths.socket_dir(self.id), int(self.settings["user"].partition(":")[0] or 0))
        app_volumes.ensure(self.paths.app, self.settings)
        directory = self.paths.bundle(self.id)
        if self._is_there_still(directory):
            return
        up = ("up", "--detach", "--no-deps", "--no-build", "--pull", "never", API)
        done = docker.compose(self.project, directory, *up, seconds=START_SECONDS)
        if done.code:
            words = done.err.splitlines()[-15:]
            raise ReleaseError("START_FAILED", f"{self.title} could not be started", hint(words) or "see the engine's output below", words)

    def _is_there_still(self, directory: Path) -> bool:
        """Start the container that the release had, if it has what its bundle says: Compose would do the same in twice the time."""
        container = self.container()
        if container is None or container["Config"]["Image"] != self.image or checksums(directory) != self.record.files:
            return False
        return docker.start(container["Id"])

    def restart(self) -> None:
        """Start the release again, so that none of its pools holds a connection to a database that was replaced.

        One that the replaced database had made end is started as well.

        Raises:
            ReleaseError: DOCKER_FAILED.
        """
        for container in docker.containers(self.paths.app, self.id):
            if not is_one_off(container):
                docker.restart(container["Id"])

    def keep_running(self) -> None:
        """Have the engine start the release again after a crash or a reboot."""
        for container in docker.containers(self.paths.app, self.id):
            if not docker.is_kept_running(container):
                docker.keep_running(container["Id"])

    def listener(self, container: Dict[str, Any]) -> Listener:
        """Return where the release itself listens, past the proxy."""
        if self.settings["listen"] == "socket":
            return Listener(socket_path=self.paths.socket(self.id), domain=self.settings["domain"])
        network = container["NetworkSettings"]["Networks"].get(self.paths.app)
        if network is None:
            raise ReleaseError(
                "NETWORK_MISSING",
                f"{self.title} listens on TCP and is not in the network {self.paths.app}, where the proxy looks for it",
                f"add {self.paths.app} to app_release_networks",
            )
        address = network["IPAddress"]
        return Listener(address=address, port=int(self.settings["port"]), domain=self.settings["domain"])

    def await_ready(self) -> Answer:
        """Wait until the release gave enough good answers in a row, and return the last.

        Raises:
            ReleaseError: APP_EXIT as soon as it ends; NOT_READY or WRONG_RELEASE at the deadline, or before it when waiting is of no use.
        """
        seconds, wanted = float(self.settings["ready_seconds"]), int(self.settings["ready_successes"])
        began = looked = time.monotonic()
        tally, patience = Tally(), Patience(seconds)
        container, seen = self.running_container(), None
        while time.monotonic() < began + seconds:
            answer = self.listener(container).get(self.settings["ready_path"])
            problem = verdict(answer, self.settings["identity"], self.id)
            tally.note(problem)
            if tally.in_a_row >= wanted:
                return answer
            # What it listens on costs more to find out than an answer does.
            due = time.monotonic() - looked > STATE_INTERVAL
            if not answer.error or due:
                seen = self._look(container, answer)
                if patience.ends(reason_for(seen, self.settings, self.id), time.monotonic()):
                    break
            if due:
                container, looked = self.running_container(), time.monotonic()
            time.sleep(PROBE_INTERVAL)
        raise self._not_ready(container, time.monotonic() - began, tally, seen)

    def _look(self, container: Dict[str, Any], answer: Answer) -> Seen:
        """Look at what else there is of a release, where nobody answered."""
        if not answer.error:
            return Seen(answer)
        found = proc.listening(container["State"].get("Pid", 0))
        ports = [one.port for one in found if not one.path and one.everywhere][:OTHER_PORTS]
        answered = [port for port in ports if self._answers(container, port, self.settings["ready_path"])]
        return Seen(answer, found, answered)

    def _answers(self, container: Dict[str, Any], port: int, path: str) -> bool:
        network = container["NetworkSettings"]["Networks"].get(self.paths.app) or {}
        if not network.get("IPAddress"):
            return False
        other = Listener(address=network["IPAddress"], port=port, domain=self.settings["domain"])
        return 200 <= other.get(path, OTHER_SECONDS).status < 300

    def running_container(self) -> Dict[str, Any]:
        """Return `docker inspect` of the serving container.

        Raises:
            ReleaseError: APP_EXIT when it does not run.
        """
        container = self.container()
        if container is None:
            raise ReleaseError("APP_EXIT", f"the container of {self.title} is gone", "deploy again; somebody may have removed it")
        state = container["State"]
        if state["Running"]:
            return container
        code, log = state["ExitCode"], docker.log_tail(container["Id"], SHOWN_LOG_LINES)
        raise ReleaseError(
            "APP_EXIT",
            f"{self.title} exited with code {describe_exit(code)}",
            f"{hint(log, code) or 'fix the image or its configuration'}; its last log lines are below",
            log,
        )

    def require_memory(self) -> None:
        """Check that no process was killed for memory while the others became ready.

        Raises:
            ReleaseError: APP_EXIT.
        """
        container = self.running_container()
        killed = proc.killed_for_memory(container["State"].get("Pid", 0))
        problem = killed_problem(killed, int(self.settings["memory_bytes"]))
        if problem is not None:
            log = docker.log_tail(container["Id"], SHOWN_LOG_LINES)
            raise ReleaseError("APP_EXIT", f"{self.title}: {problem}", "raise app_release_memory; its last log lines are below", log)

    def _not_ready(self, container: Dict[str, Any], seconds: float, tally: Tally, seen: Optional[Seen]) -> ReleaseError:
        reason = self._reason(container, seen)
        path = self.settings["ready_path"]
        # Without the traces of our own questions, which would be all there is to see.
        log = [line for line in docker.log_tail(container["Id"], READ_LOG_LINES) if path not in line][-SHOWN_LOG_LINES:]
        limit, wanted = float(self.settings["ready_seconds"]), self.settings["ready_successes"]
        what = f"{self.title} gave no {wanted} good answers in a row at {path} within {limit:g} s; {tally}"
        return ReleaseError(
            reason.code if reason else "NOT_READY",
            f"{self.title} {reason.what}; it was waited for {seconds:.1f} s, {tally}" if reason else what,
            reason.todo if reason else f"{hint(log) or 'fix what the answers below show'}, or raise app_release_ready_seconds",
            [
                "last answers:",
                *(f"  {problem}" for problem in tally.problems[-SHOWN_ANSWERS:]),
                "last log lines:",
                *(f"  {line}" for line in log),
            ],
        )

    def _reason(self, container: Dict[str, Any], seen: Optional[Seen]) -> Optional[Reason]:
        """Return why the release is not ready, with the path to ask instead where its own is wrong."""
        reason = reason_for(seen, self.settings, self.id) if seen else None
        if seen is None or reason is None or not reason.path:
            return reason
        listener = self.listener(container)
        good = [path for path in USUAL_PATHS if 200 <= listener.get(path, OTHER_SECONDS).status < 300]
        return reason_for(replace(seen, good_paths=good), self.settings, self.id)
