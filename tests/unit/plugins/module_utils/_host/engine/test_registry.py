"""What a tag points to and the pull of it: asked again where that may help, and told apart when it fails."""

import base64
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import CommandTimeout, Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import Answer, Listener
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import registry as _registry
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.registry import Registry, Remote, remove_logins
from fakes import IMAGE, FakeEngine, fails
from fakes_host import Clock

DIGEST = "sha256:" + "ab" * 32
REFERENCE = f"{IMAGE}@{DIGEST}"
PASSWORD = "pässword"
FOUND = Answer(200, {}, json.dumps({"Descriptor": {"digest": DIGEST}, "Platforms": [{"os": "linux", "architecture": "arm64"}]}))
REFUSED = Answer(error="ConnectionRefusedError: [Errno 111] Connection refused")
RESET = Answer(500, {}, '{"message": "Get https://registry.lab:5000/v2/: connection reset by peer"}')
NO_MANIFEST = Answer(404, {}, '{"message": "manifest unknown"}')
NO_LOGIN = Answer(401, {}, '{"message": "unauthorized"}')

Asked = list[tuple[float, dict[str, str]]]
Asks = Callable[..., Asked]


def registry(seconds: float = 60.0, username: str = "deploy") -> Registry:
    return Registry("shop", IMAGE, username, PASSWORD, seconds)


@pytest.fixture
def clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(_registry, "time", clock)
    return clock


@pytest.fixture
def registry_answers(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Asks:
    """Have the engine answer with these, each after `seconds`; returns the limits and headers it was asked with, each time for `path`."""

    def prepare(*answers: Answer, seconds: float = 0.0, path: str = f"{IMAGE}:v1") -> Asked:
        asked: Asked = []
        queue = list(answers)

        def get(self: Listener, wanted: str, limit: float, headers: dict[str, str]) -> Answer:
            assert (self.socket_path, wanted) == (docker.ENGINE_SOCKET, f"/distribution/{path}/json")
            asked.append((limit, headers))
            clock.now += min(seconds, limit)
            return queue.pop(0)

        monkeypatch.setattr(Listener, "get", get)
        return asked

    return prepare


@pytest.mark.parametrize("before", [[], [REFUSED], [RESET, REFUSED]])
def test_a_tag_becomes_a_digest_and_platforms(registry_answers: Asks, before: list[Answer]) -> None:
    asked = registry_answers(*before, FOUND)
    assert registry().resolve("v1") == Remote(DIGEST, [("linux", "arm64")])
    assert len(asked) == len(before) + 1


def test_a_digest_is_asked_for_by_itself(registry_answers: Asks) -> None:
    registry_answers(FOUND, path=f"{IMAGE}@{DIGEST}")
    assert registry().resolve("a-label", DIGEST).digest == DIGEST


@pytest.mark.parametrize("platforms", [{}, {"Platforms": None}, {"Platforms": []}])
def test_a_registry_that_names_no_platforms(registry_answers: Asks, platforms: dict[str, Any]) -> None:
    registry_answers(Answer(200, {}, json.dumps({"Descriptor": {"digest": DIGEST}, **platforms})))
    assert registry().resolve("v1") == Remote(DIGEST, [])


@pytest.mark.parametrize(
    ("answers", "code", "tries"),
    [
        ([NO_MANIFEST], "IMAGE_NOT_FOUND", 1),  # asking again would not help
        ([NO_LOGIN], "REGISTRY_AUTH", 1),
        ([Answer(500, {}, "what")], "PULL_FAILED", 1),
        ([REFUSED, NO_MANIFEST], "IMAGE_NOT_FOUND", 2),
        ([REFUSED, RESET, REFUSED], "REGISTRY_UNREACHABLE", 3),
    ],
)
def test_a_tag_that_cannot_be_asked_for(registry_answers: Asks, clock: Clock, answers: list[Answer], code: str, tries: int) -> None:
    began = clock.now
    asked = registry_answers(*answers)
    with fails(code) as caught:
        registry().resolve("v1")
    assert len(asked) == tries
    assert f"cannot ask for {IMAGE}:v1 ({tries} tries in {clock.now - began:.1f} s)" in caught.value.what
    assert PASSWORD not in f"{caught.value.what}{caught.value.todo}{caught.value.details}"


@pytest.mark.parametrize(
    ("takes", "limits"),
    [(60.0, [20.0]), (12.0, [20.0, 7.0])],  # a hanging one; and what is left after a slow one and a pause
)
def test_a_registry_that_hangs_takes_no_longer_than_its_limit(
    registry_answers: Asks, clock: Clock, takes: float, limits: list[float]
) -> None:
    began = clock.now
    asked = registry_answers(*[Answer(error="TimeoutError: timed out")] * 3, seconds=takes)
    with fails("PULL_TIMEOUT") as caught:
        registry(20.0).resolve("v1")
    assert [limit for limit, _ in asked] == pytest.approx(limits)
    assert clock.now - began == pytest.approx(20)
    assert "took longer than 20 s" in caught.value.what
    assert "app_release_pull_seconds" in caught.value.todo


def test_credentials_go_in_a_header(registry_answers: Asks) -> None:
    asked = registry_answers(FOUND, FOUND)
    registry().resolve("v1")
    registry(username="").resolve("v1")
    login = json.loads(base64.urlsafe_b64decode(asked[0][1]["X-Registry-Auth"]))
    assert login == {"username": "deploy", "password": PASSWORD, "serveraddress": "registry.lab:5000"}
    assert asked[1][1] == {}


@pytest.fixture
def pulls(engine: FakeEngine, logins: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[str]]]:
    """Have `docker pull` end so; returns the commands that were given."""

    def prepare(left: Finished | Exception) -> list[list[str]]:
        given: list[list[str]] = []

        def run(arguments: list[str], seconds: float) -> Finished:
            given.append(list(arguments))
            for option, directory in pairwise(arguments):
                if option == "--config":
                    judge_login(Path(directory), logins)
            if isinstance(left, Exception):
                raise left
            return left

        monkeypatch.setattr(_registry, "run", run)
        return given

    return prepare


def judge_login(directory: Path, logins: Path) -> None:
    config = directory / "config.json"
    assert directory.parent == logins
    assert [oct(p.stat().st_mode & 0o777) for p in (directory, config)] == ["0o700", "0o600"]
    auth = json.loads(config.read_text())["auths"]["registry.lab:5000"]["auth"]
    assert base64.b64decode(auth).decode() == f"deploy:{PASSWORD}"


@pytest.mark.parametrize("username", ["", "deploy"])
def test_an_image_is_pulled_by_digest(pulls: Callable[..., list[list[str]]], logins: Path, username: str) -> None:
    given = pulls(Finished(0, "", ""))
    assert registry(username=username).pull(DIGEST) is True
    assert (given[0][0], given[0][-3:], "--config" in given[0]) == ("docker", ["pull", "--quiet", REFERENCE], bool(username))
    assert PASSWORD not in str(given)
    assert list(logins.iterdir()) == []


def test_an_image_that_is_there_is_not_pulled(pulls: Callable[..., list[list[str]]], engine: FakeEngine) -> None:
    given = pulls(Finished(1, "", "not asked"))
    engine.images.add(REFERENCE)
    assert registry().pull(DIGEST) is False
    assert given == []


@pytest.mark.parametrize(
    ("left", "code", "advice"),
    [
        (Finished(1, "", "Error: manifest unknown"), "IMAGE_NOT_FOUND", "check image_tag"),
        (Finished(1, "", "Error: no basic auth credentials"), "REGISTRY_AUTH", "app_registry_password"),
        (Finished(1, "", "dial tcp: connection refused"), "REGISTRY_UNREACHABLE", "reaches the registry"),
        (Finished(1, "", "write: no space left on device"), "DISK_SPACE", "free disk space"),
        (Finished(1, "", "something new"), "PULL_FAILED", "engine's output"),
        (CommandTimeout("COMMAND_TIMEOUT", "", "", ["Pulling fs layer"]), "PULL_TIMEOUT", "app_release_pull_seconds"),
    ],
)
def test_a_pull_that_fails_leaves_no_credentials(
    pulls: Callable[..., list[list[str]]], logins: Path, left: Finished | Exception, code: str, advice: str
) -> None:
    pulls(left)
    with fails(code) as caught:
        registry().pull(DIGEST)
    assert advice in caught.value.todo
    assert REFERENCE in caught.value.what
    assert caught.value.details == (left.err.splitlines() if isinstance(left, Finished) else ["Pulling fs layer"])
    assert list(logins.iterdir()) == []


def test_credentials_of_a_pull_that_was_killed_go_with_the_next_run(logins: Path, paths: AppPaths) -> None:
    for name in ("fairlead-registry-shop.abc", "fairlead-registry-shop-2.abc", "fairlead-registry-shopping.abc", "other"):
        (logins / name).mkdir()
        (logins / name / "config.json").touch()
    remove_logins(paths)
    assert sorted(directory.name for directory in logins.iterdir()) == [
        "fairlead-registry-shop-2.abc",
        "fairlead-registry-shopping.abc",
        "other",
    ]


ENGINE_SAID = "Error response from daemon: "


@pytest.mark.parametrize(
    ("stderr", "code"),
    [
        ("manifest for registry.lab:5000/shop/api:v9 not found: manifest unknown: manifest unknown", "IMAGE_NOT_FOUND"),
        ("name unknown: repository name not known to registry", "IMAGE_NOT_FOUND"),
        ('Head "https://registry.lab:5000/v2/shop/api/manifests/v1": no basic auth credentials', "REGISTRY_AUTH"),
        ('Head "https://r/v2/x/manifests/v1": unauthorized: authentication required', "REGISTRY_AUTH"),
        ("pull access denied for acme/shop, repository does not exist or may require 'docker login'", "REGISTRY_AUTH"),
        ('Get "https://registry.lab:5000/v2/": dial tcp 172.20.0.2:5000: connect: connection refused', "REGISTRY_UNREACHABLE"),
        ('Get "https://nowhere.lab/v2/": dial tcp: lookup nowhere.lab: no such host', "REGISTRY_UNREACHABLE"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "REGISTRY_UNREACHABLE"),
        ('Get "https://r/v2/": net/http: TLS handshake timeout', "REGISTRY_UNREACHABLE"),
        ("net/http: request canceled (Client.Timeout exceeded while awaiting headers)", "REGISTRY_UNREACHABLE"),
        ("write /var/lib/docker/tmp/GetImageBlob1: no space left on device", "DISK_SPACE"),
        ("toomanyrequests: You have reached your pull rate limit", "PULL_FAILED"),
        ("", "PULL_FAILED"),
    ],
)
def test_pull_error_code(stderr: str, code: str) -> None:
    assert _registry.pull_error_code(ENGINE_SAID + stderr) == code


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("registry.lab:5000/shop/api", "registry.lab:5000"),
        ("ghcr.io/acme/shop", "ghcr.io"),
        ("localhost/shop", "localhost"),
        ("acme/shop", "https://index.docker.io/v1/"),
        ("shop", "https://index.docker.io/v1/"),
        ("docker.io/acme/shop", "https://index.docker.io/v1/"),
    ],
)
def test_where_credentials_belong(image: str, registry: str) -> None:
    assert _registry.registry_of(image) == registry
