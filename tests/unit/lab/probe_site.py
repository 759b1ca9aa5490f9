"""A small HTTPS site that answers as the reference app does, except for the faults it is told to make."""

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import h11
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded
from hyperframe.frame import GoAwayFrame
from probe_certificates import Certificates

Answer = tuple[int, bytes]


@dataclass
class Site:
    """State and faults. `faults` says how often each is still to be made, `made` how often it was."""

    faults: dict[str, int] = field(default_factory=dict)
    release: str = "r1"
    items: list[dict[str, Any]] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)
    left: dict[H2Connection, int] = field(default_factory=dict)  # last ids of those that were sent GOAWAY
    seen: Counter[str] = field(default_factory=Counter)
    port: int = 0

    def take(self, fault: str) -> bool:
        """Whether to make this fault now."""
        if self.faults.get(fault, 0) <= 0:
            return False
        self.faults[fault] -= 1
        self.made[fault] += 1
        return True

    async def answer(self, method: str, target: str, body: bytes) -> Answer | None:
        """Answer one request; None means to break the connection."""
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.seen["poll" if url.path == "/items/wait" else "request"] += 1
        if url.path == "/items/wait":
            await asyncio.sleep(0 if self.take("hasty") else float(query["seconds"]))
            return 204, b""
        if url.path == "/items" and query.get("limit") == "1000":  # the audit is spared
            return self._list(query)
        if self.take("drop"):
            return None
        if self.take("error"):
            return 500, b"oops"
        if method == "POST":
            return self._create(json.loads(body))
        return self._list(query) if url.path == "/items" else self._read(url.path)

    def _create(self, item: dict[str, Any]) -> Answer:
        created = item | {"id": len(self.items) + 1}
        if self.take("lose"):
            self.items.append({"id": created["id"], "name": "another", "reference": "another"})
            return 201, json.dumps(created).encode()
        self.items.append(created)
        if self.take("double"):
            self.items.append(item | {"id": len(self.items) + 1})
        elif self.take("phantom"):
            return 503, b""
        return 201, json.dumps(created | ({"reference": "other"} if self.take("echo") else {})).encode()

    def _list(self, query: dict[str, str]) -> Answer:
        after, limit = int(query["after"]), int(query["limit"])
        return 200, json.dumps({"items": self.items[after : after + limit]}).encode()

    def _read(self, path: str) -> Answer:
        number = path.removeprefix("/items/")
        return (200, json.dumps(self.items[int(number) - 1]).encode()) if number.isdigit() else (200, b"fine")

    @asynccontextmanager
    async def serving(self, certificates: Certificates) -> AsyncIterator["Site"]:
        """Serve HTTP/1.1 and HTTP/2 on a free port of 127.0.0.1."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificates.chain, certificates.key)
        context.set_alpn_protocols(["h2", "http/1.1"])
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        serve: Callable[[Site, asyncio.StreamReader, asyncio.StreamWriter], Any]
        serve = serve_http2 if chosen == "h2" else serve_http1
        try:
            await serve(self, reader, writer)
        except OSError:
            pass  # the client left
        finally:
            writer.close()


async def serve_http1(site: Site, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one HTTP/1.1 connection."""
    connection = h11.Connection(h11.SERVER)
    while request := await _next_request(connection, reader):
        method, target, body = request
        headers = [("x-release", site.release)]
        if target == "/items/events":
            await _send_events(site, connection, writer)
            return
        answer = await site.answer(method, target, body)
        if answer is None:
            writer.transport.abort()
            return
        status, content = answer
        if status != 204:
            headers.append(("content-length", str(len(content))))
        cut = content[:-1] if content and site.take("truncate") else content
        writer.write(connection.send(h11.Response(status_code=status, headers=headers)) or b"")
        writer.write(cut if cut != content else connection.send(h11.Data(data=content)) or b"")
        if cut != content or site.take("idle-close"):
            return
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        connection.start_next_cycle()


async def _next_request(connection: h11.Connection, reader: asyncio.StreamReader) -> tuple[str, str, bytes] | None:
    head, body = None, b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(65536)
            if not data:
                return None
            connection.receive_data(data)
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head:
            return head.method.decode(), head.target.decode(), body


async def _send_events(site: Site, connection: h11.Connection, writer: asyncio.StreamWriter) -> None:
    site.seen["stream"] += 1
    headers = [("transfer-encoding", "chunked"), ("x-release", site.release)]
    writer.write(connection.send(h11.Response(status_code=200, headers=headers)) or b"")
    beats = 3 if site.faults.get("cut") or site.faults.get("end") else 1_000_000
    for _ in range(beats):
        writer.write(connection.send(h11.Data(data=b": beat\n\n")) or b"")
        await writer.drain()
        await asyncio.sleep(3600 if site.take("silence") else 0.02)
    if site.take("cut"):
        writer.transport.abort()
    elif site.take("end"):
        writer.write(connection.send(h11.EndOfMessage()) or b"")


async def serve_http2(site: Site, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the streams of one HTTP/2 connection."""
    connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
    connection.initiate_connection()
    writer.write(connection.data_to_send())
    requests: dict[int, tuple[str, str, bytes]] = {}
    async with asyncio.TaskGroup() as tasks:
        while data := await reader.read(65536):
            for event in connection.receive_data(data):
                if isinstance(event, RequestReceived):
                    fields = {str(name): str(value) for name, value in event.headers}
                    requests[event.stream_id] = (fields[":method"], fields[":path"], b"")
                elif isinstance(event, DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    method, path, body = requests[event.stream_id]
                    requests[event.stream_id] = (method, path, body + event.data)
                elif isinstance(event, StreamEnded):
                    tasks.create_task(_answer_stream(site, connection, writer, event.stream_id, requests))
            writer.write(connection.data_to_send())


async def _answer_stream(
    site: Site,
    connection: H2Connection,
    writer: asyncio.StreamWriter,
    number: int,
    requests: dict[int, tuple[str, str, bytes]],
) -> None:
    if number > site.left.get(connection, number):
        return
    if site.take("refuse"):
        connection.reset_stream(number, ErrorCodes.REFUSED_STREAM)
    elif (
        number > 2 and connection not in site.left and site.take("goaway")
    ):  # this stream is not processed, the one before may be in flight
        site.left[connection] = number - 2
        writer.write(GoAwayFrame(0, last_stream_id=number - 2).serialize())
    elif (answer := await site.answer(*requests[number])) is None:
        connection.reset_stream(number, ErrorCodes.INTERNAL_ERROR)
    else:
        await asyncio.sleep(0.03 if site.made["goaway"] or site.faults.get("goaway") else 0)
        status, content = answer
        site.made["finished after goaway"] += connection in site.left
        connection.send_headers(number, [(":status", str(status)), ("x-release", site.release)])
        connection.send_data(number, content, end_stream=True)
    writer.write(connection.data_to_send())
