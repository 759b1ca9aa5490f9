"""HTTP/2 over TLS that sends a request again only when the server said that it did not process it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from h2.config import H2Configuration
from h2.connection import ConnectionInputs, H2Connection, H2ConnectionStateMachine
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

from lab.probe.client_http1 import CLOSED_EARLY
from lab.probe.messages import Failed, NotProcessed, Reply, Request
from lab.probe.target import Target

MAX_STREAMS = 100
MAX_SENDS = 4


class _PatientStateMachine(H2ConnectionStateMachine):
    """h2 closes the connection at GOAWAY; RFC 9113 section 6.8 lets the streams at or below its last id go on."""

    def process_input(self, input_: ConnectionInputs) -> list[Event]:
        return [] if input_ is ConnectionInputs.RECV_GOAWAY else super().process_input(input_)


@dataclass(slots=True)
class _Stream:
    done: asyncio.Future[Reply]
    reply: Reply | None = None


class Http2Connection(asyncio.Protocol):
    """One connection with many streams. `on_idle_close` is called when it is lost, unannounced, with none open."""

    def __init__(self, host: str, on_idle_close: Callable[[], None]) -> None:
        self.usable = True
        self._host = host
        self._on_idle_close = on_idle_close
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._h2.state_machine = _PatientStateMachine()
        self._transport: asyncio.Transport | None = None
        self._streams: dict[int, _Stream] = {}
        self._changed = asyncio.Event()

    @classmethod
    async def open(cls, target: Target, on_idle_close: Callable[[], None]) -> "Http2Connection":
        """Connect and agree on HTTP/2. Raises OSError when refused, reset or not trusted, Failed without HTTP/2."""
        loop = asyncio.get_running_loop()
        transport, connection = await loop.create_connection(
            lambda: cls(target.host, on_idle_close),
            target.address,
            target.port,
            ssl=target.http2,
            server_hostname=target.host,
        )
        if transport.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            connection.close()
            raise Failed("the server does not speak HTTP/2")
        return connection

    async def exchange(self, request: Request) -> Reply:
        """Send on a new stream and wait for the complete reply. Raises Failed, or NotProcessed when not processed."""
        await self._wait_for_room(len(request.body))
        number = self._h2.get_next_available_stream_id()
        stream = self._streams[number] = _Stream(asyncio.get_running_loop().create_future())
        self._send(number, request)
        try:
            return await stream.done
        except asyncio.CancelledError:
            self._cancel(number)
            raise
        finally:
            self._streams.pop(number, None)
            self._changed.set()
            self._close_when_drained()

    def close(self) -> None:
        """Close from our side."""
        self.usable = False
        if self._transport:
            self._transport.close()

    async def _wait_for_room(self, size: int) -> None:
        while self.usable and not self._has_room(size):
            self._changed.clear()
            await self._changed.wait()
        if not self.usable:
            raise NotProcessed

    def _has_room(self, size: int) -> bool:
        allowed = min(MAX_STREAMS, self._h2.remote_settings.max_concurrent_streams)
        return len(self._streams) < allowed and self._h2.outbound_flow_control_window >= size

    def _send(self, number: int, request: Request) -> None:
        pseudo = [
            (":method", request.method),
            (":scheme", "https"),
            (":authority", self._host),
            (":path", request.path),
        ]
        self._h2.send_headers(number, pseudo + request.headers(), end_stream=not request.body)
        if request.body:
            self._h2.send_data(number, request.body, end_stream=True)
        self._flush()

    def _cancel(self, number: int) -> None:
        with suppress(ProtocolError):  # the server may have ended the stream or the connection in the same moment
            self._h2.reset_stream(number, ErrorCodes.CANCEL)
            self._flush()

    def _flush(self) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(self._h2.data_to_send())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            for event in self._h2.receive_data(data):
                self._handle(event)
        except ProtocolError as error:
            self._lose(f"not HTTP/2: {error}")
        self._flush()
        self._changed.set()
        self._close_when_drained()

    def _handle(self, event: Event) -> None:
        match event:
            case ResponseReceived(stream_id=number) if stream := self._streams.get(number):
                fields = {str(name): str(value) for name, value in event.headers}
                stream.reply = Reply(int(fields.pop(":status")), fields)
            case DataReceived(stream_id=number):
                self._h2.acknowledge_received_data(event.flow_controlled_length, number)
                if (stream := self._streams.get(number)) and stream.reply:
                    stream.reply.body += event.data
            case StreamEnded(stream_id=number) if stream := self._streams.get(number):
                if stream.reply and not stream.done.done():
                    stream.done.set_result(stream.reply)
            case StreamReset(stream_id=number):
                refused = event.error_code == ErrorCodes.REFUSED_STREAM
                self._fail(number, NotProcessed() if refused else Failed(f"stream reset, code {event.error_code}"))
            case ConnectionTerminated():
                self._leave(event.last_stream_id or 0)

    def _leave(self, last_processed: int) -> None:
        """Take no new requests; those above the last processed id were not processed, the others go on."""
        self.usable = False
        for number in [number for number in self._streams if number > last_processed]:
            self._fail(number, NotProcessed())

    def _fail(self, number: int, error: Exception) -> None:
        stream = self._streams.get(number)
        if stream and not stream.done.done():
            stream.done.set_exception(error)

    def _close_when_drained(self) -> None:
        if not self.usable and not self._streams:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(f"connection lost: {exc}" if exc else CLOSED_EARLY)

    def _lose(self, why: str) -> None:
        if self.usable and not self._streams:
            self._on_idle_close()
        self.close()
        self._changed.set()
        for number in self._streams:
            self._fail(number, Failed(why))


class Http2Pool:
    """Requests go in turn over `size` connections, each replaced when the server leaves it."""

    def __init__(self, target: Target, size: int = 2) -> None:
        self.idle_closed = 0
        self.refused_retried = 0
        self._target = target
        self._connections: list[asyncio.Task[Http2Connection] | None] = [None] * size
        self._turn = 0

    async def send(self, request: Request) -> Reply:
        """Send on a stream. Raises Failed or OSError when no complete reply comes."""
        for sent in range(MAX_SENDS):
            self.refused_retried += sent > 0
            connection = await self._connection()
            with suppress(NotProcessed):
                return await connection.exchange(request)
        raise Failed(f"refused as not processed {MAX_SENDS} times")

    def close(self) -> None:
        """Close all connections."""
        for opening in filter(None, self._connections):
            opening.cancel()
            if _opened(opening):
                opening.result().close()

    async def _connection(self) -> Http2Connection:
        self._turn = (self._turn + 1) % len(self._connections)
        opening = self._connections[self._turn]
        if opening is None or (opening.done() and not (_opened(opening) and opening.result().usable)):
            opening = asyncio.create_task(Http2Connection.open(self._target, self._note_idle_close))
            self._connections[self._turn] = opening
        # Shared by all requests that wait for it, so one of them giving up must not end it.
        return await asyncio.shield(opening)

    def _note_idle_close(self) -> None:
        self.idle_closed += 1


def _opened(opening: asyncio.Task[Http2Connection]) -> bool:
    return opening.done() and not opening.cancelled() and opening.exception() is None
