"""Stand-ins for what a release meets: the engine, its registry, the edge, and answers over HTTP."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.limits import MEGABYTE, Responses
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import Answer, Listener
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.registry import Remote
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import dotenv
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from fakes_database import FakeAlembic, FakeDatabase

APP = "shop"
IMAGE = "registry.lab:5000/shop/api"
PLATFORM = ("linux", "amd64")


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
    """What is answered: by the release itself, and in public through the edge. The last answer is repeated.

    `of` has what a release answers on its socket, whatever `direct` says.
    """

    def __init__(self) -> None:
        self.direct: list[Answer] = []
        self.public: list[Answer] = []
        self.of: dict[str, Answer] = {}
        self.asked: list[str] = []

    def get(self, listener: Listener, path: str) -> Answer:
        self.asked.append(path)
        if listener.socket_path is not None and listener.socket_path.parent.name in self.of:
            return self.of[listener.socket_path.parent.name]
        queue = self.public if listener.tls else self.direct
        return queue.pop(0) if len(queue) > 1 else queue[0]


class FakeEdge:
    """What the edge tells of itself; by default no count of answers, no problem with its certificate, and users reach the live release.

    `counts` is called for all answers until now; `asked_since` is from when on the last ones were asked for.
    """

    def __init__(self) -> None:
        self.asked_since = 0.0
        self.counts: Callable[[], Responses | None] = lambda: None
        self.certificate: str | None = None
        self.unreached: list[str] = []

    def answers(self, app: str) -> "FakeLog":
        assert app == APP
        return FakeLog(self)

    def certificate_problem(self, settings: dict[str, Any]) -> str | None:
        return self.certificate


class FakeLog:
    """The edge's log of an app's answers, read on from where reading ended."""

    def __init__(self, edge: FakeEdge) -> None:
        self._edge = edge
        self._read = Responses(0, 0)

    def recent(self, since: float = 0.0) -> Responses | None:
        self._edge.asked_since = since
        counts = self._edge.counts()
        self._read = counts or self._read
        return counts

    def new(self) -> Responses:
        read, self._read = self._read, self._edge.counts() or self._read
        return Responses(self._read.all - read.all, self._read.errors - read.errors)


def container(release: str, service: str = "api", image: str = "", env: Sequence[str] = (), **state: Any) -> dict[str, Any]:
    """Return what `docker inspect` tells of a container of a release, by default the serving one."""
    name = release if service == "api" else f"{release}-{service}"
    oneoff = "False" if service == "api" else "True"
    labels = {docker.RELEASE_LABEL: release, "com.docker.compose.service": service, "com.docker.compose.oneoff": oneoff}
    return {
        "Id": f"container-{name}",
        "Name": f"/{APP}-{name}",
        "RestartCount": 0,
        "Config": {"Labels": labels, "Image": image, "Env": list(env), "StopTimeout": 40},
        "HostConfig": {"RestartPolicy": {"Name": "no"}},
        "State": {"Running": True, "Status": "running", "ExitCode": 0, "StartedAt": "2026-01-01T00:00:00Z", "Pid": 4711, **state},
        "NetworkSettings": {"Networks": {APP: {"IPAddress": "172.20.0.5"}}},
    }


def service(project: str, name: str, **state: Any) -> dict[str, Any]:
    """Return what `docker inspect` tells of a container that provisioning started."""
    own = {"Running": True, "Status": "running", "ExitCode": 0, "Health": {"Status": "healthy"}}
    return {
        "Id": f"container-{name}",
        "Name": f"/{project}-{name}-1",
        "Config": {"Labels": {"com.docker.compose.service": name}},
        "State": {**own, **state},
    }


class FakeEngine:
    """Has the functions of `docker`. Notes what changes something in `told`; fails where `failing` says so."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.present: dict[str, dict[str, Any]] = {}
        self.projects: dict[str, list[dict[str, Any]]] = {}
        self.images: set[str] = set()
        self.failing: dict[str, ReleaseError] = {}
        self.compose_leaves = Finished(0, "", "")
        self.networks_missing: list[str] = []
        self.compose_is: str | None = "2.26.1"
        self.is_engine = docker.Engine(PLATFORM, Path("/"), live_restore=True)
        self.memory: int | None = 64 * MEGABYTE
        self.stop_exit_code = 0
        self.starts_again = True
        self.declared: list[str] = []
        self.volumes: dict[str, dict[str, Any]] = {}
        self.volume_root = Path("/nonexistent")
        self.entrypoint_is: list[str] = []
        self.database = FakeDatabase(self.note)
        self.alembic = FakeAlembic(self.database)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in vars(FakeEngine):
            if hasattr(docker, name) and not name.startswith("_"):
                monkeypatch.setattr(docker, name, getattr(self, name))

    def fail(self, what: str) -> None:
        """Fail where `failing` says so."""
        if what in self.failing:
            raise self.failing[what]

    def note(self, what: str, about: str) -> None:
        self.told.append(f"{what} {about}")
        self.fail(what)

    def engine(self) -> docker.Engine:
        self.fail("engine")
        return self.is_engine

    def compose_version(self) -> str | None:
        return self.compose_is

    def missing_networks(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name in self.networks_missing]

    def has_image(self, reference: str) -> bool:
        return reference in self.images

    def image_size(self, reference: str) -> int | None:
        return MEGABYTE if reference in self.images else None

    def image_id(self, reference: str) -> str:
        return f"id of {reference}" if reference in self.images else ""

    def image_volumes(self, reference: str) -> list[str]:
        return self.declared

    def volume(self, name: str) -> dict[str, Any] | None:
        return self.volumes.get(name)

    def create_volume(self, name: str, app: str) -> None:
        self.note("create volume", name)
        place = self.volume_root / name / "_data"
        place.mkdir(parents=True)
        self.volumes[name] = {"Driver": "local", "Labels": {docker.APP_LABEL: app}, "Options": None, "Mountpoint": str(place)}

    def entrypoint(self, reference: str) -> list[str]:
        return self.entrypoint_is

    def remove_image(self, reference: str) -> None:
        if reference in self.images:
            self.note("remove image", reference)
            self.images.discard(reference)

    def containers(self, app: str, release: str | None = None) -> list[dict[str, Any]]:
        found = [one for one in self.present.values() if release in (None, one["Config"]["Labels"][docker.RELEASE_LABEL])]
        return deepcopy(found)  # an answer does not change when the container does

    def project_containers(self, project: str) -> list[dict[str, Any]]:
        return self.projects.get(project, [])

    def processes(self, identifier: str) -> list[int]:
        return [container["State"]["Pid"] for container in self.present.values() if container["Id"] == identifier]

    def container_state(self, identifier: str) -> dict[str, Any] | None:
        found = self.present.get(identifier.removeprefix("container-"))
        return found and {**found["State"], "RestartCount": found["RestartCount"]}

    def memory_used(self, identifier: str) -> int | None:
        return self.memory

    def log_tail(self, identifier: str, lines: int = 30) -> list[str]:
        return [f"last words of {identifier}"]

    def stop(self, identifier: str, seconds: int) -> None:
        self.note("stop", identifier)
        self.present[identifier.removeprefix("container-")]["State"].update(Running=False, Status="exited", ExitCode=self.stop_exit_code)

    def start(self, identifier: str) -> bool:
        self.note("start", identifier)
        if self.starts_again:
            self.present[identifier.removeprefix("container-")]["State"].update(Running=True, Status="running")
        return self.starts_again

    def restart(self, identifier: str) -> None:
        self.note("restart", identifier)

    def remove(self, identifier: str) -> None:
        self.note("remove", identifier)
        self.present.pop(identifier.removeprefix("container-"), None)

    def keep_running(self, identifier: str, lasting: bool = True) -> None:
        self.note("keep" if lasting else "let end", identifier)
        policy = self.present[identifier.removeprefix("container-")]["HostConfig"]["RestartPolicy"]
        policy["Name"] = docker.LASTING if lasting else "no"

    def compose(self, project: str, directory: Path, *arguments: str, seconds: float, merge: bool = False) -> Finished:
        verb = next(word for word in arguments if word in ("up", "run"))
        if verb == "up" and not self.compose_leaves.code:
            self.up(directory)
        if verb == "run":
            return self._migrate(project, arguments[arguments.index("--name") + 3 :])
        self.note(f"compose {verb}", project)
        return self.compose_leaves

    def _migrate(self, project: str, command: Sequence[str]) -> Finished:
        answer = self.alembic.plans(command)
        if answer is None:
            self.note("compose run", project)
            if not self.compose_leaves.code:
                self.alembic.runs(command)
        return answer or self.compose_leaves

    def up(self, bundle: Path) -> None:
        """Have the release of a bundle run, as Compose would; one that was stopped is started again."""
        image = dotenv.parse((bundle / ".env").read_text(encoding="utf-8"))["FAIRLEAD_IMAGE"]
        variables = dotenv.parse((bundle / "app.env").read_text(encoding="utf-8"))
        env = [f"RELEASE={bundle.name}", *(f"{name}={value}" for name, value in variables.items())]
        made = self.present.setdefault(bundle.name, container(bundle.name, image=image, env=env))
        made["State"].update(Running=True, Status="running")


class FakeRegistry:
    """Has every tag, for the platform of the fake engine; fails where the engine's `failing` says so."""

    platforms = (PLATFORM,)

    def __init__(self, engine: FakeEngine, app: str, image: str, username: str, password: str, seconds: float) -> None:
        self._engine = engine
        self._image = image

    def resolve(self, tag: str, digest: str = "") -> Remote:
        self._engine.fail("resolve")
        return Remote(digest or digest_of(tag), list(self.platforms))

    def pull(self, digest: str) -> bool:
        reference = f"{self._image}@{digest}"
        if self._engine.has_image(reference):
            return False
        self._engine.note("pull", reference)
        self._engine.images.add(reference)
        return True
