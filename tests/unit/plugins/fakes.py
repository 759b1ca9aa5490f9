"""Stand-ins for what a release meets: the engine, and answers over HTTP."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils import _docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._probe import Answer, Listener

APP = "shop"
IMAGE = "registry.lab:5000/shop/api"


def digest_of(tag: str) -> str:
    """Return the digest that the fake registry has under `tag`."""
    return "sha256:" + tag.encode().hex().ljust(64, "0")


def good(release: str) -> Answer:
    """Return a good answer of the readiness path."""
    return Answer(200, {"x-release": release}, '{"revision": "0002"}')


BUSY = Answer(503, {"x-release": "r1"}, '{"status": "not ready"}')


@contextmanager
def fails(code: str) -> Iterator[pytest.ExceptionInfo[ReleaseError]]:
    """Expect a ReleaseError with this code."""
    with pytest.raises(ReleaseError) as caught:
        yield caught
    assert caught.value.code == code, caught.value.what


class Answers:
    """What is answered: by the release itself, and in public through the edge. The last answer is repeated."""

    def __init__(self) -> None:
        self.direct: list[Answer] = []
        self.public: list[Answer] = []
        self.asked: list[str] = []

    def get(self, listener: Listener, path: str) -> Answer:
        self.asked.append(path)
        queue = self.public if listener.tls else self.direct
        return queue.pop(0) if len(queue) > 1 else queue[0]


def container(release: str, **state: Any) -> dict[str, Any]:
    """Return what `docker inspect` tells of a release's serving container."""
    return {
        "Id": f"container-{release}",
        "Config": {"Labels": {_docker.RELEASE_LABEL: release, "com.docker.compose.service": "api"}},
        "HostConfig": {"RestartPolicy": {"Name": "no"}},
        "State": {"Running": True, "Status": "running", "ExitCode": 0, "OOMKilled": False, **state},
        "NetworkSettings": {"Networks": {APP: {"IPAddress": "172.20.0.5"}}},
    }


class FakeEngine:
    """Has the functions of `_docker`. Notes what changes something in `told`; fails where `failing` says so."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.present: dict[str, dict[str, Any]] = {}
        self.images: set[str] = set()
        self.failing: dict[str, ReleaseError] = {}
        self.compose_leaves = Finished(0, "", "")
        self.networks_missing: list[str] = []
        self.compose_is: str | None = "2.26.1"

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in vars(FakeEngine):
            if hasattr(_docker, name) and not name.startswith("_"):
                monkeypatch.setattr(_docker, name, getattr(self, name))

    def _note(self, what: str, about: str) -> None:
        self.told.append(f"{what} {about}")
        if what in self.failing:
            raise self.failing[what]

    def server_version(self) -> str:
        if "server_version" in self.failing:
            raise self.failing["server_version"]
        return "26.1.5"

    def compose_version(self) -> str | None:
        return self.compose_is

    def missing_networks(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name in self.networks_missing]

    def pull(self, reference: str, login: Sequence[str], seconds: float) -> str:
        self._note("pull", reference)
        digest = reference.partition("@")[2] or digest_of(reference.rpartition(":")[2])
        self.images.add(f"{IMAGE}@{digest}")
        return digest

    def remote_digest(self, reference: str, username: str, password: str, seconds: float) -> str:
        return digest_of(reference.rpartition(":")[2])

    def has_image(self, reference: str) -> bool:
        return reference in self.images

    def remove_image(self, reference: str) -> None:
        self._note("remove image", reference)
        self.images.discard(reference)

    def containers(self, app: str, release: str | None = None) -> list[dict[str, Any]]:
        return [found for name, found in self.present.items() if release in (None, name)]

    def log_tail(self, identifier: str, lines: int = 30) -> list[str]:
        return [f"last words of {identifier}"]

    def stop(self, identifier: str, seconds: int) -> None:
        self._note("stop", identifier)
        self.present[identifier.removeprefix("container-")]["State"]["Running"] = False

    def remove(self, identifier: str) -> None:
        self._note("remove", identifier)
        self.present.pop(identifier.removeprefix("container-"), None)

    def keep_running(self, identifier: str) -> None:
        self._note("keep", identifier)
        self.present[identifier.removeprefix("container-")]["HostConfig"]["RestartPolicy"]["Name"] = _docker.LASTING

    def compose(self, project: str, directory: Path, *arguments: str, seconds: float, merge: bool = False) -> Finished:
        verb = next(word for word in arguments if word in ("up", "run"))
        if verb == "up" and not self.compose_leaves.code:
            self.present[directory.name] = container(directory.name)
        self._note(f"compose {verb}", project)
        return self.compose_leaves
