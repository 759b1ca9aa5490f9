"""Why a release is not ready: what was seen, the variable that is wrong, and whether waiting may still help."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import Answer
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.proc import Listening
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.log_hints import hint
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.readiness import (
    SOCKET_IN_CONTAINER,
    STEADY_SECONDS,
    Patience,
    Reason,
    Seen,
    reason_for,
)
from fakes_host import settings_with

NOBODY = Answer(error="ConnectionRefusedError: [Errno 111] Connection refused")
TCP = {"listen": "tcp", "port": 8000}


def tcp(port: int, address: str = "0.0.0.0") -> Listening:
    return Listening(address=address, port=port)


def reason(settings: dict[str, Any], *seen: Any, **more: Any) -> Reason | None:
    return reason_for(Seen(*seen, **more), settings_with(**settings), "r7")


@pytest.mark.parametrize(
    ("settings", "listening", "ready", "what", "todo", "sure"),
    [
        ({}, [tcp(8000)], [8000], "made no api.sock; its container listens on TCP 8000 (all addresses)", "app_port: 8000, run", True),
        ({}, [tcp(8000, "::")], [8000], "listens on TCP 8000 (all addresses)", "set app_listen: tcp and app_port: 8000", True),
        ({}, [tcp(9090), tcp(8000)], [8000], "TCP 9090 (all addresses) and TCP 8000", "app_port: 8000, run", True),
        ({}, [tcp(9090)], [], "made no api.sock", "app_port: 9090", False),
        ({}, [tcp(8000, "127.0.0.1")], [], "127.0.0.1:8000 only", "0.0.0.0 instead of 127.0.0.1 (app_release_command)", False),
        ({}, [Listening("/tmp/app.sock")], [], "listens on the socket /tmp/app.sock", "BIND", False),
        (TCP, [tcp(8080)], [8080], "does not listen on TCP 8000; its container listens on TCP 8080", "set app_port: 8080, run", True),
        (TCP, [tcp(8080), tcp(9090)], [], "TCP 8080 (all addresses) and TCP 9090", "set app_port: 8080, run", False),
        (TCP, [tcp(8000, "127.0.0.1")], [], "listens on 127.0.0.1:8000 only", "0.0.0.0 (app_release_command", True),
        (TCP, [tcp(8000, "127.0.0.1"), tcp(9090)], [], "listens on 127.0.0.1:8000 only", "0.0.0.0 (app_release_command", True),
        (TCP, [tcp(8080, "127.0.0.1")], [], "127.0.0.1:8080 only", "app_port: 8080, and have it listen on 0.0.0.0", False),
        (TCP, [Listening("/tmp/app.sock")], [], "the socket /tmp/app.sock", "app_release_command", False),
    ],
)
def test_where_it_listens_instead(
    settings: dict[str, Any], listening: list[Listening], ready: list[int], what: str, todo: str, sure: bool
) -> None:
    found = reason(settings, NOBODY, listening, ready)
    assert found is not None
    assert found.code == "NOT_READY"
    assert what in found.what
    assert todo in found.todo
    assert found.sure is sure


@pytest.mark.parametrize(
    ("status", "headers", "body", "what", "todo"),
    [
        (404, {}, "", "knows no page at /ready (HTTP 404)", "set app_release_ready_path to a path"),
        (401, {}, "", "wants a login at /ready (HTTP 401)", "app_release_ready_path"),
        (403, {}, "", "refuses access at /ready", "app_release_ready_path"),
        (405, {}, "", "takes no GET at /ready", "app_release_ready_path"),
        (307, {"location": "/ready/"}, "", "redirects /ready to /ready/ (HTTP 307)", "set app_release_ready_path: /ready/"),
        (301, {"location": "https://shop.lab/ready"}, "", "redirects /ready to https://shop.lab/ready", "redirect to HTTPS off (app_env)"),
        (302, {"location": "/login"}, "", "redirects /ready to /login", "app_release_ready_path"),
        (308, {}, "", "redirects /ready to nowhere", "app_release_ready_path"),
        (400, {}, "Invalid host header", "refuses the host name shop.lab", "add shop.lab to the names"),
        (200, {"x-release": "dev"}, "", "answers as release dev instead of r7", "app_release_identity: none"),
        (200, {}, "", "does not tell its release by header:X-Release", "app_release_identity: none"),
        (204, {"x-version": "r7"}, "", "otherwise than by header:X-Release", "set app_release_identity: header:x-version"),
        (200, {}, '{"build": "r7"}', "otherwise than by header:X-Release", "set app_release_identity: json:build"),
    ],
)
def test_what_it_answers_instead(status: int, headers: dict[str, str], body: str, what: str, todo: str) -> None:
    found = reason({}, Answer(status, headers, body))
    assert found is not None
    assert found.code == ("WRONG_RELEASE" if status < 300 else "NOT_READY")
    assert what in found.what
    assert todo in found.todo
    assert found.sure


def test_a_path_that_answers_is_proposed() -> None:
    for status in (401, 403, 404, 302):
        found = reason({}, Answer(status), good_paths=["/ready", "/healthz", "/docs"])
        assert found is not None
        assert "set app_release_ready_path: /healthz, which answers" in found.todo


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        ({}, Seen(NOBODY)),  # it listens nowhere yet
        (TCP, Seen(NOBODY)),
        ({}, Seen(NOBODY, [Listening(SOCKET_IN_CONTAINER), tcp(9090)])),  # it does not answer in time, but it listens
        (TCP, Seen(Answer(error="TimeoutError: timed out"), [tcp(8000), tcp(9090)])),
        ({}, Seen(Answer(503))),
        ({}, Seen(Answer(500))),
        ({}, Seen(Answer(429))),
        ({}, Seen(Answer(400, body="no such item"))),
        ({}, Seen(Answer(200, {"x-release": "r7"}))),
        ({"identity": "none"}, Seen(Answer(200))),
    ],
)
def test_what_may_change_by_itself_is_waited_for(settings: dict[str, Any], seen: Seen) -> None:
    assert reason_for(seen, settings_with(**settings), "r7") is None


SURE, UNSURE = Reason("A", "a", "", sure=True), Reason("B", "b", "", sure=False)


@pytest.mark.parametrize(
    ("seen", "ready_seconds", "ends"),
    [
        ([(0, SURE), (4.9, SURE)], 60, False),
        ([(0, SURE), (5, SURE)], 60, True),
        ([(0, SURE), (4, None), (5, SURE), (9.9, SURE)], 60, False),
        ([(0, SURE), (4, UNSURE), (8, SURE)], 60, False),
        ([(0, UNSURE), (14.9, UNSURE)], 60, False),
        ([(0, UNSURE), (15, UNSURE)], 60, True),
        ([(0, UNSURE), (5, UNSURE)], 10, True),
        ([(0, None), (99, None)], 60, False),
    ],
)
def test_patience(seen: list[tuple[float, Reason | None]], ready_seconds: float, ends: bool) -> None:
    patience = Patience(ready_seconds)
    told = [patience.ends(each, 1000 + at) for at, each in seen]
    assert told == [False] * (len(seen) - 1) + [ends]
    assert STEADY_SECONDS == 5


@pytest.mark.parametrize(
    ("log", "exit_code", "words"),
    [
        (["OSError: [Errno 30] Read-only file system: '/app/cache'"], 1, "app_release_tmpfs"),
        (["PermissionError: [Errno 13] Permission denied: '/data'"], 1, "app_release_user"),
        (['FATAL:  password authentication failed for user "shop"'], 3, "app_secrets"),
        (['could not translate host name "db" to address'], 1, "app_env"),
        (["DATABASE_URL", "  Field required [type=missing]"], 1, "app_env or app_secrets"),
        (["ModuleNotFoundError: No module named 'app'"], 1, "app_release_command"),
        (['exec: "uvicorn": executable file not found in $PATH'], 0, "app_release_command"),
        (["unable to find user app: no matching entries in passwd file"], 0, "app_release_user"),
        (["Minimum memory limit allowed is 6MB"], 0, "app_release_memory"),
        (["range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"], 0, "app_release_cpus"),
        ([], 127, "app_release_command"),
        (["Traceback"], 1, ""),
        ([], 0, ""),
    ],
)
def test_a_log_that_names_a_setting_gives_a_hint(log: list[str], exit_code: int, words: str) -> None:
    assert (words in hint(log, exit_code)) if words else not hint(log, exit_code)
