# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Questions to a release over HTTP, and what its answers mean."""

from __future__ import annotations

import contextlib
import errno
import http.client
import io
import json
import os
import socket
import ssl
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import read_beneath

# Only the head of a body is kept: enough for a message, never a download.
BODY_BYTES = 65536
SHOWN = 300
# Below it, the proxy's container writes.
PROXY_DATA = Path("/var/lib/fairlead-edge")
AUTHORITY_BYTES = 256 * 1024


@dataclass(frozen=True)
class Answer:
    """What came back: a status with headers (lower-case names) and body, or an error."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    error: str = ""

    def json(self) -> Dict[str, Any]:
        """Return the body as an object; empty when it is something else."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def __str__(self) -> str:
        return self.error or f"HTTP {self.status} {' '.join(self.body.split())[:SHOWN]}".rstrip()


class _Answer(io.RawIOBase):
    """What a peer sends until a deadline.  A socket's own limit is one for each read, which a byte now and then never exceeds."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self._socket = connected
        self._raw = connected.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        self._socket.settimeout(_left(self._deadline))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Deadlined:
    """The parts of a connected socket that `http.client` uses, with one deadline for all that is sent and read."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self._socket = connected
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(_left(self._deadline))
        self._socket.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Answer(self._socket, self._deadline))

    def close(self) -> None:
        self._socket.close()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class _UnixConnection(http.client.HTTPConnection):
    """A unix socket that an app created: a symbolic link in its place is refused, for it could lead root anywhere."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        place = os.open(self._path, os.O_PATH | os.O_NOFOLLOW)
        try:
            if not stat.S_ISSOCK(os.fstat(place).st_mode):
                raise OSError(errno.ENOTSOCK, f"{self._path.name} is not a socket")
            # By the descriptor: the path could lead elsewhere by now.
            self.sock.connect(f"/proc/self/fd/{place}")
        finally:
            os.close(place)


class _TlsConnection(http.client.HTTPConnection):
    """TLS to an address, for the name of a domain that need not resolve to it."""

    def __init__(self, address: str, port: int, domain: str, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(address, port, timeout=timeout)
        self._domain = domain
        self._context = context

    def connect(self) -> None:
        deadline = time.monotonic() + (self.timeout or 0.0)
        super().connect()
        self.sock.settimeout(_left(deadline))
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self._domain)


def unverified_context() -> ssl.SSLContext:
    """Return a context for asking what answers, whatever its certificate (that is smoke's to judge)."""
    # Not the default context: it reads all authorities of the system, some 30 ms for nothing.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def verified_context(extra_authority: Optional[Path] = None) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities and, where the file exists, one more."""
    context = ssl.create_default_context()
    content = _authority(extra_authority) if extra_authority is not None else None
    # What is no certificate is not trusted: the proxy's container writes that file.
    with contextlib.suppress(ssl.SSLError, ValueError):
        context.load_verify_locations(cadata=(content or b"").decode("ascii"))
    return context


def _authority(file: Path) -> Optional[bytes]:
    if PROXY_DATA in file.parents:
        return read_beneath(PROXY_DATA, str(file.relative_to(PROXY_DATA)), AUTHORITY_BYTES)
    whole = file.resolve()  # an operator's own: links are meant
    return read_beneath(whole.parent, whole.name, AUTHORITY_BYTES)


@dataclass(frozen=True)
class Listener:
    """Where a release, or the proxy in front of it, listens: a unix socket, or an address with a port and perhaps TLS."""

    socket_path: Optional[Path] = None
    address: str = "127.0.0.1"
    port: int = 443
    domain: str = "localhost"
    tls: Optional[ssl.SSLContext] = None

    def connect(self, seconds: float) -> http.client.HTTPConnection:
        if self.socket_path is not None:
            return _UnixConnection(self.socket_path, seconds)
        if self.tls is not None:
            return _TlsConnection(self.address, self.port, self.domain, self.tls, seconds)
        return http.client.HTTPConnection(self.address, self.port, timeout=seconds)

    def certificate(self, seconds: float) -> Dict[str, Any]:
        """Return the certificate that is shown here, as `ssl` tells it.

        Args:
            seconds: limit for connecting.

        Raises:
            OSError: nobody listens, or (`ssl.SSLCertVerificationError`) the certificate is not valid.
        """
        connection = self.connect(seconds)
        try:
            connection.connect()
            return dict(connection.sock.getpeercert() or {}) if isinstance(connection.sock, ssl.SSLSocket) else {}
        finally:
            connection.close()

    def get(self, path: str, seconds: float = 5.0, headers: Optional[Mapping[str, str]] = None, body_bytes: int = BODY_BYTES) -> Answer:
        """Ask for `path` once; every failure becomes an answer with ``error``.

        Args:
            path: absolute path, with a query if needed.
            seconds: limit for the whole question, from connecting to the last byte of the answer.
            headers: more request headers.
            body_bytes: how much of the body is read.
        """
        deadline = time.monotonic() + seconds
        connection = self.connect(seconds)
        try:
            connection.connect()
            connection.sock = _Deadlined(connection.sock, deadline)
            own = {"Host": self.domain, "User-Agent": "fairlead", "Connection": "close"}
            connection.request("GET", path, headers={**own, **(headers or {})})
            response = connection.getresponse()
            body = response.read(body_bytes).decode("utf-8", errors="replace")
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
        except (OSError, http.client.HTTPException) as error:
            return Answer(error=f"{type(error).__name__}: {error}")
        finally:
            connection.close()


def released_by(answer: Answer, identity: str) -> Optional[str]:
    """Return the release id that an answer names, or None.

    Args:
        answer: of the app.
        identity: ``header:NAME``, ``json:KEY``, or ``none`` for an image that cannot tell.
    """
    kind, dummy, name = identity.partition(":")
    if kind == "header":
        return answer.headers.get(name.lower())
    if kind == "json":
        value = answer.json().get(name)
        return value if isinstance(value, str) else None
    return None


def is_other_release(answer: Answer, identity: str, expected: str) -> bool:
    """Tell whether an answer should name the release `expected` and does not."""
    return identity != "none" and released_by(answer, identity) != expected


def verdict(answer: Answer, identity: str, expected: str) -> str:
    """Say why an answer is not a good one from the release `expected`; empty when it is."""
    if answer.error or not 200 <= answer.status < 300:
        return str(answer)
    if not is_other_release(answer, identity, expected):
        return ""
    return f"HTTP {answer.status}, but from release {released_by(answer, identity) or 'unknown'} instead of {expected} ({identity})"
