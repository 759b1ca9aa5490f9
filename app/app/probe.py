"""`python -m app.probe [PATH]`: ask the service in this container for PATH (default /health) at its own $BIND.

Prints the answer; exit code 0 for status 200, else 1. For images without a shell or curl.
"""

import os
import socket
import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT_SECONDS = 3


class UnixConnection(HTTPConnection):
    """HTTP over a unix socket; `host` is the socket's path."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def connection(bind: str) -> HTTPConnection:
    """A connection to `bind` as gunicorn spells it: `unix:/path` or `host:port`."""
    if bind.startswith("unix:"):
        return UnixConnection(bind.removeprefix("unix:"))
    host, port = bind.rsplit(":", 1)
    local = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))
    return HTTPConnection(local, int(port), timeout=TIMEOUT_SECONDS)


def main(path: str = "/health") -> int:
    try:
        client = connection(os.environ.get("BIND", "0.0.0.0:8000"))
        client.request("GET", path)
        response = client.getresponse()
        print(response.status, response.read().decode(errors="replace"))
    except (OSError, HTTPException) as error:
        print(f"no answer: {error}", file=sys.stderr)
        return 1
    return 0 if response.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
