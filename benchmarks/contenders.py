"""Two ways to deploy the same images to the same host with the same configuration, each to an app of its own."""

import json
import os
import shlex
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.latency import Way
from lab import removal, secret
from lab.play import Play, play
from lab.registry import PASSWORD_FILE, REGISTRY, USER
from lab.story import App

SCRIPT = Path(__file__).with_name("script.sh")
SCRIPT_SECONDS = 120
# The watch after the switch is time that an operator chooses to wait; the script has none.
UNWATCHED = ("-e", "app_release_bake_seconds=0")
# No plan, no gate, no backup, no migration.
UNPLANNED = ("-e", json.dumps({"app_release_migrate": False}))


class BenchError(Exception):
    """A run did not do what it was to do, so its seconds mean nothing; the message says what was wrong."""


class Contender(ABC):
    """One way to deploy.

    Args:
        name: its app's name.
        host: the lab host's name.
        way: how to log in to it, where that is not the usual way.
    """

    def __init__(self, name: str, host: str, way: Way | None = None) -> None:
        self.app = App(name, host)
        self.way = way

    def provision(self) -> None:
        """Have the host ready for the app, and nothing left of earlier runs. Raises BenchError."""
        removal.remove(self.app)
        done = self.app.play("provision")
        if done.code:
            raise BenchError(f"provisioning for {self.app.name} failed:\n{done.output[-3000:]}")

    @abstractmethod
    def deploy(self, tag: str) -> float:
        """Deploy an image tag and return the seconds of the whole command. Raises BenchError."""

    def begin(self, tag: str) -> None:
        """Deploy for the first time, uncounted. Raises BenchError."""
        self.deploy(tag)

    def check(self, tag: str) -> None:
        """Check the outcome: `tag` answers at the public address, nothing else runs. Raises BenchError."""
        status, headers, body = self.app.get("/ready")
        live = self.app.live
        if (status, headers.get("x-release")) != (200, live) or f'"version":"{tag}"' not in body.replace(" ", ""):
            raise BenchError(f"{self.app.name}: {tag} is not live as {live}: HTTP {status} {body}")
        running = list(self.app.running())
        if running != [f"{self.app.name}-{live}-api-1"]:
            raise BenchError(f"{self.app.name}: {live} is live, but what runs is {running}")


class Fairlead(Contender):
    """The collection's playbooks, each as a command of its own over a new SSH connection.

    Args:
        name: its app's name.
        host: the lab host's name.
        words: more words for each deploy but the first, which makes the schema.
        way: as for any.
    """

    def __init__(self, name: str, host: str, *words: str, way: Way | None = None) -> None:
        super().__init__(name, host, way)
        self._words = words
        self._deploys = 0

    def deploy(self, tag: str, *words: str) -> float:
        return self.released(tag, *words)[0]

    def released(self, tag: str, *words: str, yielding: bool = False) -> tuple[float, Play]:
        """Deploy a tag with a configuration that was never there: an image that was there with the same is not asked for its migrations."""
        self._deploys += 1
        return self.again(tag, *words, yielding=yielding)

    def again(self, tag: str, *words: str, yielding: bool = False) -> tuple[float, Play]:
        """Deploy a tag with the configuration of the last deploy."""
        configuration = json.dumps({"app_env": self.app.env(BENCH_DEPLOY=str(self._deploys))})
        return self.timed("deploy", "-e", f"image_tag={tag}", "-e", configuration, *self._words, *words, yielding=yielding)

    def begin(self, tag: str) -> None:
        self.timed("deploy", "-e", f"image_tag={tag}")

    def timed(self, playbook: str, *words: str, yielding: bool = False) -> tuple[float, Play]:
        """Run a playbook; return its seconds and what it left. Raises BenchError when it failed.

        With `yielding` the controller goes behind the host's users: it is a machine of its own where it does not share their cores.
        """
        with _no_connection_yet():
            begin = time.monotonic()
            way = ("-e", json.dumps(self.way.ansible)) if self.way else ()
            done = play(playbook, "-e", f"app_name={self.app.name}", *UNWATCHED, *way, *words, host=self.app.host.name, yielding=yielding)
            seconds = time.monotonic() - begin
        if done.code:
            raise BenchError(f"{playbook} {' '.join(words)} failed:\n{done.output[-3000:]}")
        return seconds, done


class Script(Contender):
    """The same steps in one hand-written shell script over one SSH connection."""

    def deploy(self, tag: str) -> float:
        command = ["ssh", *(self.way.ssh if self.way else ()), *self.app.host.ssh_args, "sudo", "sh", "-s"]
        begin = time.monotonic()
        done = subprocess.run(command, input=self._input(tag), capture_output=True, text=True, timeout=SCRIPT_SECONDS, check=False)
        seconds = time.monotonic() - begin
        if done.returncode:
            raise BenchError(f"the script failed with exit code {done.returncode}:\n{done.stderr[-3000:]}")
        return seconds

    def _input(self, tag: str) -> str:
        values = {
            "app": self.app.name,
            "tag": tag,
            "registry": REGISTRY.host,
            "image": f"{REGISTRY.host}/shop/api",
            "user": USER,
            "registry_password": secret.password(PASSWORD_FILE),
            "database_password": secret.password("database_password"),
            "migrator_password": secret.password("migrator_password"),
            "redis_password": secret.password("redis_password"),
        }
        assignments = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
        return assignments + SCRIPT.read_text()


@contextmanager
def _no_connection_yet() -> Iterator[None]:
    """Hide SSH connections that earlier runs left open, so that each run pays for its own, as the script does."""
    with tempfile.TemporaryDirectory(prefix="cp-") as folder:
        os.environ["ANSIBLE_SSH_CONTROL_PATH_DIR"] = folder
        try:
            yield
        finally:
            del os.environ["ANSIBLE_SSH_CONTROL_PATH_DIR"]
