"""Containers, networks, versions: what the engine tells over its socket, read as JSON."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import Answer, Listener
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.containers import running_releases
from fakes import container, fails

Commands = list[list[str]]
Says = Callable[..., Commands]
Engine = Callable[..., list[str]]
GONE = Answer(404, {}, '{"message": "no such thing"}')
DOWN = Answer(error="ConnectionRefusedError: [Errno 111] Connection refused")


def tells(value: Any) -> Answer:
    return Answer(200, {}, json.dumps(value))


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Says:
    """Have the CLI answer its calls with these, in order; returns the commands it was given."""

    def prepare(*replies: Finished) -> Commands:
        given: Commands = []
        queue = list(replies)

        def run(arguments: list[str], *_: Any, **__: Any) -> Finished:
            given.append(list(arguments))
            return queue.pop(0)

        monkeypatch.setattr(docker, "run", run)
        return given

    return prepare


@pytest.fixture(autouse=True)
def not_asked_yet() -> None:
    """The engine is asked about itself only once in a process."""
    docker.engine.cache_clear()


@pytest.fixture
def engine_answers(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Have the engine answer with these, in order; returns the paths it was asked for."""

    def prepare(*answers: Answer) -> list[str]:
        asked: list[str] = []
        queue = list(answers)

        def get(self: Listener, path: str, *_: Any, **__: Any) -> Answer:
            assert self.socket_path == docker.ENGINE_SOCKET
            asked.append(unquote(path))
            return queue.pop(0)

        monkeypatch.setattr(Listener, "get", get)
        return asked

    return prepare


@pytest.mark.parametrize(
    ("info", "live_restore"), [({"LiveRestoreEnabled": True}, True), ({"LiveRestoreEnabled": False}, False), ({}, False)]
)
def test_the_engine_is_asked_about_itself_once(
    monkeypatch: pytest.MonkeyPatch, engine_answers: Engine, info: dict[str, bool], live_restore: bool
) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: "/usr/bin/docker")
    asked = engine_answers(tells({"Os": "linux", "Arch": "arm64"}), tells({"DockerRootDir": "/srv/docker", **info}))
    for _ in range(2):
        assert docker.engine() == docker.Engine(("linux", "arm64"), Path("/srv/docker"), live_restore)
    assert asked == ["/version", "/info"]


def test_the_version_of_compose(says: Says) -> None:
    says(Finished(0, "2.26.1-4\n", ""), Finished(1, "", "'compose' is not a command"))
    assert (docker.compose_version(), docker.compose_version()) == ("2.26.1-4", None)


def test_no_docker_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with fails("COMMAND_MISSING"):
        docker.engine()


@pytest.mark.parametrize(
    ("present", "missing"),
    [(["bridge", "shop", "shop-data"], []), (["shopping"], ["shop", "shop-data"]), ([], ["shop", "shop-data"])],
)
def test_networks(engine_answers: Engine, present: list[str], missing: list[str]) -> None:
    engine_answers(tells([{"Name": name} for name in present]))
    assert docker.missing_networks(["shop", "shop-data"]) == missing


@pytest.mark.parametrize(
    ("release", "labels"),
    [("r2", '["fairlead.app=shop", "fairlead.release=r2"]'), (None, '["fairlead.app=shop"]')],
)
def test_containers_of_one_release_or_of_all(engine_answers: Engine, release: str | None, labels: str) -> None:
    asked = engine_answers(tells([{"Id": "c1"}, {"Id": "c2"}]), GONE, tells({"Id": "c2"}))
    assert docker.containers("shop", release) == [{"Id": "c2"}]  # c1 was removed meanwhile
    assert asked[0] == f'/containers/json?all=true&filters={{"label": {labels}}}'


def test_which_releases_run_and_which_of_them_for_good(engine_answers: Engine) -> None:
    found = [container("r9"), container("r2", Running=False), container("r1"), container("r9")]
    engine_answers(tells([{"Id": "any"}] * len(found)), *map(tells, found))
    assert running_releases(docker.containers("shop")) == ["r1", "r9"]
    found[0]["HostConfig"]["RestartPolicy"]["Name"] = "unless-stopped"
    assert [docker.is_kept_running(c) for c in found] == [True, False, False, False]


@pytest.mark.parametrize("before", [[], [tells([{"Id": "c1"}])]])
@pytest.mark.parametrize("answer", [DOWN, Answer(500, {}, "what")])
def test_silence_of_the_engine_is_not_taken_for_absence(engine_answers: Engine, before: list[Answer], answer: Answer) -> None:
    engine_answers(*before, answer)
    with fails("DOCKER_DOWN") as caught:
        docker.containers("shop")
    assert caught.value.details == [str(answer)]


@pytest.mark.parametrize(
    ("answer", "processes"),
    [
        (tells({"Titles": ["UID", "PID", "PPID"], "Processes": [["10001", "4711", "1"], ["10001", "4712", "4711"]]}), [4711, 4712]),
        (tells({"Titles": ["UID", "PID"], "Processes": None}), []),
        (Answer(409, {}, '{"message": "container is not running"}'), []),
    ],
)
def test_the_processes_of_a_container(engine_answers: Engine, answer: Answer, processes: list[int]) -> None:
    engine_answers(answer)
    assert docker.processes("c1") == processes


def test_an_image_is_removed_only_if_it_is_there(engine_answers: Engine, says: Says) -> None:
    engine_answers(GONE, tells({"Id": "x", "Size": 1}))
    given = says(Finished(1, "", "image is being used"))
    for _ in range(2):
        docker.remove_image("x@sha256:1")
    assert given == [["docker", "image", "rm", "x@sha256:1"]]


@pytest.mark.parametrize(("answer", "size"), [(GONE, None), (tells({"Size": 123456}), 123456)])
def test_the_size_of_an_image(engine_answers: Engine, answer: Answer, size: int | None) -> None:
    asked = engine_answers(answer, answer)
    assert (docker.image_size("shop@sha256:1"), docker.has_image("shop@sha256:1")) == (size, size is not None)
    assert asked == ["/images/shop@sha256:1/json"] * 2


def test_the_containers_of_a_project(engine_answers: Engine) -> None:
    asked = engine_answers(tells([{"Id": "c1"}]), tells({"Id": "c1"}))
    assert docker.project_containers("shop-data") == [{"Id": "c1"}]
    assert asked[0] == '/containers/json?all=true&filters={"label": ["com.docker.compose.project=shop-data"]}'


def test_the_state_of_a_container(engine_answers: Engine) -> None:
    engine_answers(tells({"State": {"Running": True}, "RestartCount": 3}), GONE)
    assert docker.container_state("c1") == {"Running": True, "RestartCount": 3}
    assert docker.container_state("c1") is None


@pytest.mark.parametrize(
    ("stats", "used"),
    [
        ({"memory_stats": {"usage": 100, "stats": {"inactive_file": 30}}}, 70),  # control groups 2
        ({"memory_stats": {"usage": 100, "stats": {"total_inactive_file": 40, "inactive_file": 1}}}, 60),  # and 1
        ({"memory_stats": {"usage": 100}}, 100),
        ({"memory_stats": {}}, None),  # it does not run
        ({}, None),
    ],
)
def test_memory_in_use_without_the_cache_of_files(engine_answers: Engine, stats: dict[str, Any], used: int | None) -> None:
    asked = engine_answers(tells(stats), GONE)
    assert (docker.memory_used("c1"), docker.memory_used("c1")) == (used, None)
    assert asked[0] == "/containers/c1/stats?stream=false&one-shot=true"


def test_a_refusal_is_reported_with_its_last_lines(says: Says) -> None:
    says(Finished(1, "", "\n".join(f"line {n}" for n in range(50))))
    with fails("DOCKER_FAILED") as caught:
        docker.stop("c1", 40)
    assert caught.value.what == "stopping the old release failed (exit code 1)"
    assert (len(caught.value.details), caught.value.details[-1]) == (20, "line 49")


OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.mark.parametrize(
    ("reference", "present", "answer", "newer"),
    [
        ("redis:8", [OLD], tells({"Descriptor": {"digest": NEW}}), NEW),
        ("redis:8", [OLD], tells({"Descriptor": {"digest": OLD}}), ""),
        ("redis:8", [OLD, NEW], tells({"Descriptor": {"digest": NEW}}), ""),  # pulled under two names
        ("redis:8", [OLD], Answer(500, {}, '{"message": "no such host"}'), ""),
        ("redis:8", [OLD], DOWN, ""),
        (f"redis:8@{OLD}", [OLD], tells({"Descriptor": {"digest": NEW}}), ""),  # cannot move
        ("redis:8", [], tells({"Descriptor": {"digest": NEW}}), ""),  # built here
    ],
)
def test_a_tag_that_means_another_image_by_now(
    reference: str, present: list[str], answer: Answer, newer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Listener, "get", lambda *_, **__: answer)
    assert docker.newer(reference, present) == newer


@pytest.mark.parametrize(
    ("answer", "digests"),
    [(tells({"RepoDigests": [f"redis@{OLD}", f"mirror.lab:5001/library/redis@{NEW}"]}), [OLD, NEW]), (tells({}), []), (GONE, [])],
)
def test_the_digests_of_an_image(answer: Answer, digests: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Listener, "get", lambda *_, **__: answer)
    assert docker.digests("redis:8") == digests
