"""Questions over HTTP, and what answers mean."""

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base import probe
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import (
    Answer,
    Listener,
    released_by,
    verdict,
    verified_context,
)

OK = b'HTTP/1.1 200 OK\r\nX-Release: r7\r\nContent-Length: 19\r\n\r\n{"release": "r7"}\r\n'


@contextmanager
def answering(listening: socket.socket, reply: bytes) -> Iterator[list[bytes]]:
    """Answer one connection with these bytes; yields what was asked."""
    asked: list[bytes] = []
    listening.settimeout(5)

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            asked.append(connection.recv(65536))
            connection.sendall(reply)

    thread = threading.Thread(target=serve)
    thread.start()
    with listening:
        yield asked
        thread.join()


@pytest.fixture(params=["unix", "tcp"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[socket.socket, Listener]:
    if request.param == "tcp":
        listening = socket.create_server(("127.0.0.1", 0))
        return listening, Listener(port=listening.getsockname()[1], domain="shop.lab")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "api.sock"))
    listening.listen()
    return listening, Listener(socket_path=tmp_path / "api.sock", domain="shop.lab")


def test_asking_on_a_socket_and_on_a_port(place: tuple[socket.socket, Listener]) -> None:
    listening, listener = place
    with answering(listening, OK) as asked:
        answer = listener.get("/ready?x=1", headers={"X-More": "yes"})
    assert (answer.status, answer.headers["x-release"], answer.json()) == (200, "r7", {"release": "r7"})
    assert asked[0].startswith(b"GET /ready?x=1 HTTP/1.1\r\n")
    for line in (b"Host: shop.lab", b"Connection: close", b"X-More: yes"):
        assert line + b"\r\n" in asked[0]


def a_link(place: Path, secret: Path) -> None:
    place.symlink_to(secret)


def a_file(place: Path, secret: Path) -> None:
    place.write_text("HTTP/1.1 200 OK")


def a_fifo(place: Path, secret: Path) -> None:
    os.mkfifo(place)


@pytest.mark.parametrize("plant", [a_link, a_file, a_fifo])
def test_what_an_app_plants_in_place_of_its_socket_is_not_opened(tmp_path: Path, plant: Callable[[Path, Path], None]) -> None:
    secret = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(secret))
        listening.listen()
        listening.settimeout(0.1)
        plant(tmp_path / "api.sock", secret)
        assert "api.sock is not a socket" in Listener(socket_path=tmp_path / "api.sock").get("/config/").error
        with pytest.raises(TimeoutError):
            listening.accept()


@pytest.mark.parametrize("reply", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 2"])
def test_what_is_no_answer_becomes_an_error(place: tuple[socket.socket, Listener], reply: bytes) -> None:
    listening, listener = place
    with answering(listening, reply):
        answer = listener.get("/")
    assert answer.status == 0
    assert answer.error
    assert verdict(answer, "none", "r1") == answer.error


def test_no_process_listens(tmp_path: Path) -> None:
    assert "FileNotFoundError" in Listener(socket_path=tmp_path / "none.sock").get("/").error
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "ConnectionRefusedError" in Listener(port=port).get("/").error


def test_silence_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "TimeoutError" in Listener(port=silent.getsockname()[1]).get("/", seconds=0.1).error


SLOW = [
    pytest.param(b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x", id="a header"),
    pytest.param(b"HTTP/1.1 200 OK\r\n", b"", b"X: y\r\n", id="headers"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"", b"x", id="a body"),
    pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"", b"1\r\nx\r\n", id="chunks"),
    pytest.param(b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="never the answer itself"),
]


@pytest.mark.parametrize(("head", "then", "drop"), SLOW)
def test_an_answer_that_drips_is_given_up_at_the_limit(
    place: tuple[socket.socket, Listener], head: bytes, then: bytes, drop: bytes
) -> None:
    listening, listener = place
    listening.settimeout(5)
    gone = threading.Event()

    def drip() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(head + then)
            while not gone.wait(0.05):
                with suppress(OSError):
                    connection.sendall(drop)

    thread = threading.Thread(target=drip)
    thread.start()
    began = time.monotonic()
    with listening:
        given = listener.get("/", seconds=0.4)
    took = time.monotonic() - began
    gone.set()
    thread.join()
    assert given.error == "TimeoutError: timed out"
    assert took < 2


def answer(status: int = 200, header: str = "", body: str = "") -> Answer:
    return Answer(status, {"x-release": header} if header else {}, body)


@pytest.mark.parametrize(
    ("given", "identity", "named"),
    [
        (answer(header="r7"), "header:X-Release", "r7"),
        (answer(header="r7"), "header:x-release", "r7"),
        (answer(header="r7"), "header:X-Other", None),
        (answer(body='{"release": "r7"}'), "json:release", "r7"),
        (answer(body='{"release": 7}'), "json:release", None),
        (answer(body='["r7"]'), "json:release", None),
        (answer(body="r7"), "json:release", None),
        (answer(header="r7"), "none", None),
    ],
)
def test_who_answered(given: Answer, identity: str, named: str | None) -> None:
    assert released_by(given, identity) == named


@pytest.mark.parametrize(
    ("given", "identity", "why"),
    [
        (answer(header="r7"), "header:X-Release", ""),
        (answer(204, header="r7"), "header:X-Release", ""),
        (answer(body='{"release": "r7"}'), "json:release", ""),
        (answer(), "none", ""),
        (answer(503, "r7", "not\n ready"), "header:X-Release", "HTTP 503 not ready"),
        (answer(302, "r7"), "header:X-Release", "HTTP 302"),
        (answer(404), "none", "HTTP 404"),
        (answer(header="r6"), "header:X-Release", "HTTP 200, but from release r6 instead of r7 (header:X-Release)"),
        (answer(), "header:X-Release", "HTTP 200, but from release unknown instead of r7 (header:X-Release)"),
        (answer(body='{"release": "dev"}'), "json:release", "HTTP 200, but from release dev instead of r7 (json:release)"),
        (Answer(error="TimeoutError: timed out"), "none", "TimeoutError: timed out"),
        (answer(500, body="x" * 999), "none", "HTTP 500 " + "x" * 300),
    ],
)
def test_verdict(given: Answer, identity: str, why: str) -> None:
    assert verdict(given, identity, "r7") == why


def test_an_authority_that_is_none_is_not_trusted(tmp_path: Path) -> None:
    """The proxy's container writes the file, and root reads it."""
    trusted = len(verified_context().get_ca_certs())
    (tmp_path / "garbage.crt").write_bytes(b"\xff not a certificate")
    (tmp_path / "long.crt").write_bytes(b"x" * 1_000_000)
    os.mkfifo(tmp_path / "fifo.crt")
    for name in ("garbage.crt", "long.crt", "fifo.crt", "missing.crt"):
        assert len(verified_context(tmp_path / name).get_ca_certs()) == trusted


def test_below_the_proxys_data_no_link_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "host.crt").write_text("of the host")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "root.crt").symlink_to(tmp_path / "host.crt")
    read: list[bool] = []
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda self, cadata: read.append(bool(cadata)))
    verified_context(tmp_path / "data" / "root.crt")
    monkeypatch.setattr(probe, "PROXY_DATA", tmp_path / "data")
    verified_context(tmp_path / "data" / "root.crt")
    assert read == [True, False]
