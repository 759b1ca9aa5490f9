"""Containers, networks, versions: what the engine tells over its socket, read as JSON."""

import json
import shutil
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils import _docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._probe import Answer, Listener
from fakes import container, fails
from test_docker import Says, says

__all__ = ["says"]  # the fixture

Engine = Callable[..., list[str]]
GONE = Answer(404, {}, '{"message": "no such thing"}')
DOWN = Answer(error="ConnectionRefusedError: [Errno 111] Connection refused")


def tells(value: Any) -> Answer:
    return Answer(200, {}, json.dumps(value))


@pytest.fixture
def engine_answers(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Have the engine answer with these, in order; returns the paths it was asked for."""

    def prepare(*answers: Answer) -> list[str]:
        asked: list[str] = []
        queue = list(answers)

        def get(self: Listener, path: str, *_: Any, **__: Any) -> Answer:
            assert self.socket_path == _docker.ENGINE_SOCKET
            asked.append(unquote(path))
            return queue.pop(0)

        monkeypatch.setattr(Listener, "get", get)
        return asked

    return prepare


def test_versions(engine_answers: Engine, says: Says) -> None:
    engine_answers(tells({"Version": "26.1.5"}))
    says(Finished(0, "2.26.1-4\n", ""), Finished(1, "", "'compose' is not a command"))
    assert (_docker.server_version(), _docker.compose_version(), _docker.compose_version()) == ("26.1.5", "2.26.1-4", None)


def test_no_docker_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with fails("COMMAND_MISSING"):
        _docker.server_version()


@pytest.mark.parametrize(
    ("present", "missing"),
    [(["bridge", "shop", "shop-data"], []), (["shopping"], ["shop", "shop-data"]), ([], ["shop", "shop-data"])],
)
def test_networks(engine_answers: Engine, present: list[str], missing: list[str]) -> None:
    engine_answers(tells([{"Name": name} for name in present]))
    assert _docker.missing_networks(["shop", "shop-data"]) == missing


@pytest.mark.parametrize(
    ("release", "labels"),
    [("r2", '["fairlead.app=shop", "fairlead.release=r2"]'), (None, '["fairlead.app=shop"]')],
)
def test_containers_of_one_release_or_of_all(engine_answers: Engine, release: str | None, labels: str) -> None:
    asked = engine_answers(tells([{"Id": "c1"}, {"Id": "c2"}]), GONE, tells({"Id": "c2"}))
    assert _docker.containers("shop", release) == [{"Id": "c2"}]  # c1 was removed meanwhile
    assert asked[0] == f'/containers/json?all=true&filters={{"label": {labels}}}'


def test_which_releases_run_and_which_of_them_for_good(engine_answers: Engine) -> None:
    found = [container("r9"), container("r2", Running=False), container("r1"), container("r9")]
    engine_answers(tells([{"Id": "any"}] * len(found)), *map(tells, found))
    assert _docker.running_releases("shop") == ["r1", "r9"]
    found[0]["HostConfig"]["RestartPolicy"]["Name"] = "unless-stopped"
    assert [_docker.is_kept_running(c) for c in found] == [True, False, False, False]


@pytest.mark.parametrize("before", [[], [tells([{"Id": "c1"}])]])
@pytest.mark.parametrize("answer", [DOWN, Answer(500, {}, "what")])
def test_silence_of_the_engine_is_not_taken_for_absence(engine_answers: Engine, before: list[Answer], answer: Answer) -> None:
    engine_answers(*before, answer)
    with fails("DOCKER_DOWN") as caught:
        _docker.containers("shop")
    assert caught.value.details == [str(answer)]


def test_an_image_is_removed_only_if_it_is_there(engine_answers: Engine, says: Says) -> None:
    engine_answers(GONE, tells({"Id": "x"}))
    given = says(Finished(1, "", "image is being used"))
    for _ in range(2):
        _docker.remove_image("x@sha256:1")
    assert given == [["docker", "image", "rm", "x@sha256:1"]]


def test_a_refusal_is_told_with_its_last_lines(says: Says) -> None:
    says(Finished(1, "", "\n".join(f"line {n}" for n in range(50))))
    with fails("DOCKER_FAILED") as caught:
        _docker.stop("c1", 40)
    assert caught.value.what == "stopping the old release failed (exit code 1)"
    assert (len(caught.value.details), caught.value.details[-1]) == (20, "line 49")
