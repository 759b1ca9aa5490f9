"""What passes the relay of the benchmarks arrives whole, in order and late."""

import socket
import threading
import time
from types import SimpleNamespace
from typing import cast

import pytest

from benchmarks import latency
from lab.hosts import Host

ROUND_TRIP = 0.2


def echo(server: socket.socket) -> None:
    """Answer one connection with what it sends."""
    connection, _ = server.accept()
    with connection:
        while chunk := connection.recv(65536):
            connection.sendall(chunk)


def test_an_answer_takes_a_round_trip_and_so_does_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = bytes(range(256)) * 1000
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=echo, args=(server,), daemon=True).start()
        monkeypatch.setattr(latency, "SSH_PORT", server.getsockname()[1])
        host = cast(Host, SimpleNamespace(address="127.0.0.1"))
        with latency.relay(host, ROUND_TRIP) as way, socket.create_connection(("127.0.0.1", way.port), timeout=20) as client:
            begin = time.monotonic()
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: client.recv(65536), b""))
            took = time.monotonic() - begin
    assert answer == sent
    assert took >= 2 * ROUND_TRIP
