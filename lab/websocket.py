"""As much of a WebSocket client as a test needs (RFC 6455): short text messages, and how the server says goodbye."""

import base64
import hashlib
import os
import socket
import ssl
import struct
from contextlib import suppress

from lab.story import App

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TIMEOUT = 30.0


class WebSocketClosed(Exception):
    """The server ended the connection.

    Args:
        code: of its close frame; None when it hung up without one.
    """

    def __init__(self, code: int | None) -> None:
        super().__init__(f"close code {code}")
        self.code = code


class WebSocket:
    """An open WebSocket to an app, from outside.

    Args:
        app: the app.
        path: where it listens for WebSockets.

    Raises:
        AssertionError: the app refused it.
    """

    def __init__(self, app: App, path: str) -> None:
        context = ssl.create_default_context(cafile=str(app.authority))
        plain = socket.create_connection((str(app.host.address), 443), TIMEOUT)
        self._connection = context.wrap_socket(plain, server_hostname=app.domain)
        self._reader = self._connection.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            *(f"GET {path} HTTP/1.1", f"Host: {app.domain}", "Connection: Upgrade", "Upgrade: websocket"),
            *("Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", "", ""),
        )
        self._connection.sendall("\r\n".join(lines).encode())
        answer = b"".join(iter(self._reader.readline, b"\r\n")).decode()
        accepted = base64.b64encode(hashlib.sha1(f"{key}{MAGIC}".encode()).digest()).decode()
        assert answer.startswith("HTTP/1.1 101 ") and accepted in answer, answer

    def ask(self, text: str) -> str:
        """Send a message and return the answer to it. Raises WebSocketClosed when the server has ended the connection."""
        self._send(TEXT, text.encode())
        kind, content = self._frame()
        while kind == PING:
            self._send(PONG, content)
            kind, content = self._frame()
        if kind == CLOSE:
            raise WebSocketClosed(struct.unpack("!H", content[:2])[0])
        return content.decode()

    def close(self) -> None:
        """Hang up."""
        self._reader.close()
        self._connection.close()

    def _send(self, kind: int, data: bytes) -> None:
        assert len(data) < 126
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
        with suppress(OSError):  # a close frame may lie in front of the end that is noticed here
            self._connection.sendall(bytes([0x80 | kind, 0x80 | len(data)]) + mask + masked)

    def _frame(self) -> tuple[int, bytes]:
        head = self._read(2)
        length = head[1] & 0x7F
        assert length < 126, "only short messages are expected"
        return head[0] & 0x0F, self._read(length)

    def _read(self, count: int) -> bytes:
        try:
            data = self._reader.read(count)
        except OSError:
            data = b""
        if len(data) < count:
            raise WebSocketClosed(None)
        return data
