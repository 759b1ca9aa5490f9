"""What the Docker CLI says is read right, and what it refuses is told right."""

import base64
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils import _docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._command import CommandTimeout, Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._probe import Answer, Listener
from fakes import fails

REFERENCE = "registry.lab:5000/shop/api:v1"
DIGEST = "sha256:" + "ab" * 32
PULLED = f"v1: Pulling from shop/api\nDigest: {DIGEST}\nStatus: Image is up to date for {REFERENCE}\n{REFERENCE}\n"

Commands = list[list[str]]
Says = Callable[..., Commands]


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Says:
    """Have the CLI answer its calls with these, in order; returns the commands it was given."""

    def prepare(*replies: Finished) -> Commands:
        given: Commands = []
        queue = list(replies)

        def run(arguments: list[str], *_: Any, **__: Any) -> Finished:
            given.append(list(arguments))
            return queue.pop(0)

        monkeypatch.setattr(_docker, "run", run)
        return given

    return prepare


def test_a_pull_tells_the_digest(says: Says) -> None:
    given = says(Finished(0, PULLED, ""))
    assert _docker.pull(REFERENCE, ["--config", "/run/x"], 600) == DIGEST
    assert given == [["docker", "--config", "/run/x", "pull", REFERENCE]]


@pytest.mark.parametrize(
    ("left", "code", "advice"),
    [
        (Finished(1, "", "Error: manifest unknown"), "IMAGE_NOT_FOUND", "check image_tag"),
        (Finished(1, "", "Error: no basic auth credentials"), "REGISTRY_AUTH", "app_registry_password"),
        (Finished(1, "", "dial tcp: connection refused"), "REGISTRY_UNREACHABLE", "reaches the registry"),
        (Finished(1, "", "write: no space left on device"), "DISK_SPACE", "free disk space"),
        (Finished(1, "", "something new"), "PULL_FAILED", "see the output"),
        (Finished(0, "Digest: md5:1\n", ""), "PULL_FAILED", "see the output"),
    ],
)
def test_a_pull_fails(says: Says, left: Finished, code: str, advice: str) -> None:
    says(left)
    with fails(code) as caught:
        _docker.pull(REFERENCE, [], 600)
    assert advice in caught.value.todo
    assert REFERENCE in caught.value.what


def test_a_pull_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(*_: Any) -> Finished:
        raise CommandTimeout("COMMAND_TIMEOUT", "", "", ["Pulling fs layer"])

    monkeypatch.setattr(_docker, "run", hangs)
    with fails("PULL_TIMEOUT") as caught:
        _docker.pull(REFERENCE, [], 5)
    assert (caught.value.todo, caught.value.details) == ("raise app_release_pull_seconds", ["Pulling fs layer"])


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(200, {}, json.dumps({"Descriptor": {"digest": DIGEST}})), DIGEST),
        (Answer(404, {}, '{"message": "manifest unknown"}'), "IMAGE_NOT_FOUND"),
        (Answer(401, {}, '{"message": "unauthorized"}'), "REGISTRY_AUTH"),
        (Answer(error="ConnectionRefusedError: [Errno 111] Connection refused"), "REGISTRY_UNREACHABLE"),
        (Answer(500, {}, "what"), "PULL_FAILED"),
    ],
)
def test_asking_for_a_digest_without_pulling(monkeypatch: pytest.MonkeyPatch, answer: Answer, outcome: str) -> None:
    sent: dict[str, str] = {}

    def get(self: Listener, path: str, seconds: float, headers: dict[str, str]) -> Answer:
        assert path == f"/distribution/{REFERENCE}/json"
        sent.update(headers)
        return answer

    monkeypatch.setattr(Listener, "get", get)
    try:
        assert _docker.remote_digest(REFERENCE, "deploy", "pässword", 5) == outcome
    except ReleaseError as error:
        assert error.code == outcome
    login = json.loads(base64.urlsafe_b64decode(sent["X-Registry-Auth"]))
    assert login == {"username": "deploy", "password": "pässword", "serveraddress": "registry.lab:5000"}


@pytest.mark.parametrize("ends", ["well", "with an exception"])
def test_credentials_lie_in_a_private_directory_while_they_are_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ends: str) -> None:
    make = tempfile.mkdtemp
    monkeypatch.setattr(tempfile, "mkdtemp", lambda prefix, dir: make(prefix=prefix, dir=tmp_path / dir.strip("/")))
    (tmp_path / "run").mkdir()
    try:
        with _docker.registry_login("registry.lab:5000/shop/api", "deploy", "pässword") as options:
            config = Path(options[1]) / "config.json"
            assert (options[0], config.parents[1]) == ("--config", tmp_path / "run")
            assert [oct(p.stat().st_mode & 0o777) for p in (config.parent, config)] == ["0o700", "0o600"]
            auth = json.loads(config.read_text())["auths"]["registry.lab:5000"]["auth"]
            assert base64.b64decode(auth).decode() == "deploy:pässword"
            if ends != "well":
                raise KeyError
    except KeyError:
        assert ends != "well"
    assert list((tmp_path / "run").iterdir()) == []


def test_an_anonymous_pull_needs_no_credentials() -> None:
    with _docker.registry_login("registry.lab:5000/shop/api", "", "") as options:
        assert options == []
