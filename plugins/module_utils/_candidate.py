# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release's containers: started, asked whether they are ready, given up.  Private to this collection."""

from __future__ import annotations

import shutil
import time
from typing import Any, Dict, List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils import _docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._bundle import has_record, read_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._plan import Image
from ansible_collections.fairlead.fastapi.plugins.module_utils._probe import Answer, Listener, verdict

SERVICE = "api"
PROBE_INTERVAL = 0.1
# How often the engine is asked whether the container still runs; a question costs some 30 ms of CPU.
STATE_INTERVAL = 0.5
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
    """

    def __init__(self, paths: AppPaths, release: str) -> None:
        self.paths = paths
        self.id = release
        self.record = read_record(paths, release)
        self.settings: Dict[str, Any] = self.record["settings"]

    @property
    def project(self) -> str:
        return f"{self.paths.app}-{self.id}"

    @property
    def title(self) -> str:
        return f"{self.id} ({self.record['image']}:{self.record['tag']})"

    @property
    def image(self) -> str:
        """The image by digest."""
        return f"{self.record['image']}@{self.record['digest']}"

    @property
    def for_migrations(self) -> Image:
        """What its migrations are run from."""
        return Image(self.project, self.paths.bundle(self.id), self.title, self.settings)

    def container(self) -> Optional[Dict[str, Any]]:
        """Return `docker inspect` of the serving container, or None."""
        found = [
            c
            for c in _docker.containers(self.paths.app, self.id)
            if c["Config"]["Labels"].get("com.docker.compose.service") == SERVICE
            and c["Config"]["Labels"].get("com.docker.compose.oneoff") != "True"
        ]
        return found[0] if found else None

    def make_socket_dir(self) -> None:
        """Create the directory of the release's socket; its group comes from the parent and lets the edge in."""
        directory = self.paths.socket_dir(self.id)
        directory.mkdir(exist_ok=True)
        user = int(self.settings["user"].partition(":")[0] or 0)
        shutil.chown(directory, user)
        directory.chmod(0o2750)

    def start(self) -> None:
        """Start the release beside whatever serves.

        Raises:
            ReleaseError: START_FAILED.
        """
        self.make_socket_dir()
        directory = self.paths.bundle(self.id)
        done = _docker.compose(
            self.project,
            directory,
            "up",
            "--detach",
            "--no-deps",
            "--no-build",
            "--pull",
            "never",
            SERVICE,
            seconds=START_SECONDS,
        )
        if done.code:
            raise ReleaseError(
                "START_FAILED",
                f"{self.title} could not be started",
                "see the engine's words below",
                done.err.splitlines()[-15:],
            )

    def restart(self) -> None:
        """Start the release again, so that none of its pools holds a connection to a database that was replaced.

        One that the replaced database had made end is started as well.

        Raises:
            ReleaseError: DOCKER_FAILED.
        """
        for container in _docker.containers(self.paths.app, self.id):
            if container["Config"]["Labels"].get("com.docker.compose.oneoff") != "True":
                _docker.restart(container["Id"])

    def keep_running(self) -> None:
        """Have the engine start the release again after a crash or a reboot."""
        for container in _docker.containers(self.paths.app, self.id):
            if not _docker.is_kept_running(container):
                _docker.keep_running(container["Id"])

    def listener(self, container: Dict[str, Any]) -> Listener:
        """Return where the release itself listens, past the edge."""
        if self.settings["listen"] == "socket":
            return Listener(socket_path=self.paths.socket(self.id), domain=self.settings["domain"])
        network = container["NetworkSettings"]["Networks"].get(self.paths.app)
        if network is None:
            raise ReleaseError(
                "NETWORK_MISSING",
                f"{self.title} listens on TCP and is not in the network {self.paths.app}, where the edge looks for it",
                f"add {self.paths.app} to app_release_networks",
            )
        address = network["IPAddress"]
        return Listener(address=address, port=int(self.settings["port"]), domain=self.settings["domain"])

    def await_ready(self) -> Answer:
        """Wait until the release gave enough good answers in a row, and return the last.

        Raises:
            ReleaseError: APP_EXIT as soon as it ends, NOT_READY or WRONG_RELEASE at the deadline.
        """
        seconds = float(self.settings["ready_seconds"])
        deadline = time.monotonic() + seconds
        wanted = int(self.settings["ready_successes"])
        answers: List[str] = []
        listener, checked, good, passed, asked = None, 0.0, 0, 0, 0
        while time.monotonic() < deadline:
            if listener is None or time.monotonic() - checked > STATE_INTERVAL:
                listener, checked = self.listener(self.running_container()), time.monotonic()
            answer = listener.get(self.settings["ready_path"])
            problem = verdict(answer, self.settings["identity"], self.id)
            asked += 1
            passed += not problem
            good = 0 if problem else good + 1
            if good >= wanted:
                return answer
            if problem and (not answers or answers[-1] != problem):
                answers.append(problem)
            time.sleep(PROBE_INTERVAL)
        raise self._not_ready(seconds, f"{passed} of {asked} answers were good", answers)

    def running_container(self) -> Dict[str, Any]:
        """Return `docker inspect` of the serving container.

        Raises:
            ReleaseError: APP_EXIT when it does not run.
        """
        container = self.container()
        if container is None:
            raise ReleaseError("APP_EXIT", f"the container of {self.title} is gone", "did somebody remove it? deploy again")
        state = container["State"]
        if state["Running"]:
            return container
        code = describe_exit(state["ExitCode"])
        raise ReleaseError(
            "APP_EXIT",
            f"{self.title} exited with code {code} before it was ready",
            "mend the image or its configuration; its last log lines are below",
            _docker.log_tail(container["Id"], SHOWN_LOG_LINES),
        )

    def _not_ready(self, seconds: float, tally: str, answers: List[str]) -> ReleaseError:
        container = self.container()
        # Without the traces of our own questions, which would be all there is to see.
        tail = _docker.log_tail(container["Id"], READ_LOG_LINES) if container else []
        log = [line for line in tail if self.settings["ready_path"] not in line][-SHOWN_LOG_LINES:]
        wrong = bool(answers) and "but from release" in answers[-1]
        return ReleaseError(
            "WRONG_RELEASE" if wrong else "NOT_READY",
            f"{self.title} gave no {self.settings['ready_successes']} good answers in a row "
            f"at {self.settings['ready_path']} within {seconds:g} s; {tally}",
            "the image must answer with its RELEASE (app_release_identity)"
            if wrong
            else "mend what the answers below name, or raise app_release_ready_seconds",
            [
                "last answers:",
                *(f"  {a}" for a in answers[-SHOWN_ANSWERS:]),
                "last log lines:",
                *(f"  {line}" for line in log),
            ],
        )


def describe_exit(code: int) -> str:
    """Return an exit code with what it mostly means.  The engine's own out-of-memory flag is not reliable in nested hosts."""
    return f"{code} (killed; most often for memory: app_release_memory)" if code == 137 else str(code)


def settings_of(paths: AppPaths, release: str) -> Optional[Dict[str, Any]]:
    """Return a release's settings, or None when its bundle is damaged or gone."""
    return Candidate(paths, release).settings if has_record(paths, release) else None


def remove_release(paths: AppPaths, release: str) -> None:
    """Remove all that a release has on this host, however much of it there is."""
    for container in _docker.containers(paths.app, release):
        _docker.remove(container["Id"])
    shutil.rmtree(paths.socket_dir(release), ignore_errors=True)
    shutil.rmtree(paths.bundle(release), ignore_errors=True)
