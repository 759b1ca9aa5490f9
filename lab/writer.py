"""Writes numbered rows through an app, one after the other, and knows which were committed."""

import http.client
import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field

from lab.story import App

PAUSE_SECONDS = 0.05
ANSWER_SECONDS = 30.0
PREFIX = "row-"
# More than are written in a second: so a later writer's numbers are higher, whatever an earlier one left.
NUMBERS_A_SECOND = 100
POLL_SECONDS = 0.05


@dataclass
class Written:
    """What became of the rows so far; the lists only grow.

    Args:
        committed: numbers of the rows that were confirmed, in their order.
        doubtful: numbers of all others, with what was answered instead.
    """

    committed: list[int] = field(default_factory=list)
    doubtful: dict[int, str] = field(default_factory=dict)


class Writer:
    """Writes to an app, in a thread of its own, for as long as the block lasts.

    Args:
        app: the app.
    """

    def __init__(self, app: App) -> None:
        self.written = Written()
        self.first = int(time.time()) * NUMBERS_A_SECOND
        self._app = app
        self._context = ssl.create_default_context(cafile=str(app.authority))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(ANSWER_SECONDS + 5)

    def await_row(self, within_seconds: float = 30.0) -> None:
        """Wait until a row is committed that was begun after this call. Raises AssertionError when none is."""
        deadline, before = time.monotonic() + within_seconds, len(self.written.committed)
        # The first may have been under way.
        while len(self.written.committed) < before + 2:
            assert time.monotonic() < deadline, f"no row can be written: {list(self.written.doubtful.values())[-1:]}"
            time.sleep(POLL_SECONDS)

    def _run(self) -> None:
        number = self.first
        while not self._stop.wait(PAUSE_SECONDS):
            number += 1
            try:
                status = self._write(number)
            except (OSError, http.client.HTTPException) as error:
                self.written.doubtful[number] = repr(error)
                continue
            if status == http.HTTPStatus.CREATED:
                self.written.committed.append(number)
            else:
                self.written.doubtful[number] = f"HTTP {status}"

    def _write(self, number: int) -> int:
        plain = socket.create_connection((str(self._app.host.address), 443), ANSWER_SECONDS)
        connection = http.client.HTTPConnection(self._app.domain, 443)
        # Set beforehand: HTTPS to an address, for the name of a domain that does not resolve to it.
        connection.sock = self._context.wrap_socket(plain, server_hostname=self._app.domain)
        try:
            body = json.dumps({"name": "numbered", "reference": f"{PREFIX}{number}"})
            connection.request("POST", "/items", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()


def rows(app: App, first: int) -> set[int]:
    """Return the numbers of the rows from `first` on that are in the app's database."""
    listing = app.sql(f"SELECT substr(reference, {len(PREFIX) + 1}) FROM items WHERE reference LIKE '{PREFIX}%'")
    return {number for number in map(int, listing.split()) if number >= first}
