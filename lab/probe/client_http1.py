"""HTTP/1.1 over TLS that never sends a request twice."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

import h11

from lab.probe.messages import Failed, Reply, Request
from lab.probe.target import Target

CLOSED_EARLY = "connection closed by the server before the reply was complete"
READY = (h11.DONE, h11.DONE)


class Http1Connection(asyncio.Protocol):
    """One connection, one exchange at a time. `on_idle_close` is called when the server closes it between two."""

    def __init__(self, host: str, on_idle_close: Callable[["Http1Connection"], None] | None = None) -> None:
        self.usable = True
        self._host = host
        self._on_idle_close = on_idle_close
        self._h11 = h11.Connection(h11.CLIENT)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Reply] | None = None
        self._reply: Reply | None = None
        self._on_progress: Callable[[Reply], None] | None = None

    @classmethod
    async def open(cls, target: Target, on_idle_close: Callable[["Http1Connection"], None] | None = None) -> "Http1Connection":
        """Connect with a full TLS handshake. Raises OSError when refused, reset or not trusted."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: cls(target.host, on_idle_close),
            target.address,
            target.port,
            ssl=target.http1,
            server_hostname=target.host,
        )
        return connection

    async def exchange(self, request: Request, on_progress: Callable[[Reply], None] | None = None) -> Reply:
        """Send and wait for the complete reply. Raises Failed when it does not come.

        `on_progress` is called for the reply's head and each part of its body, which is then not kept.
        """
        if not self.usable:
            raise Failed("connection closed by the server before the request was sent")
        self._on_progress = on_progress
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            self._send(request)
            reply = await self._waiter
        except BaseException:
            self.close()
            raise
        finally:
            self._waiter = self._reply = None
        self._prepare_next()
        return reply

    def close(self) -> None:
        """Close from our side; never counts as an idle close."""
        self.usable = False
        self._on_idle_close = None
        if self._transport:
            self._transport.close()

    def _send(self, request: Request) -> None:
        headers = [("host", self._host), *request.headers()]
        wire = self._h11.send(h11.Request(method=request.method, target=request.path, headers=headers)) or b""
        if request.body:
            wire += self._h11.send(h11.Data(data=request.body)) or b""
        wire += self._h11.send(h11.EndOfMessage()) or b""
        if self._transport:
            self._transport.write(wire)

    def _prepare_next(self) -> None:
        if (self._h11.our_state, self._h11.their_state) == READY:
            self._h11.start_next_cycle()
        else:  # the server announced "connection: close"
            self.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            self._lose("bytes without a request")
            return
        try:
            self._h11.receive_data(data)
            self._handle_events()
        except h11.RemoteProtocolError as error:
            self._lose(f"not HTTP/1.1: {error}")

    def _handle_events(self) -> None:
        while (event := self._h11.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Response):
                headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
                self._reply = Reply(event.status_code, headers)
            elif isinstance(event, h11.Data) and self._reply and not self._on_progress:
                self._reply.body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return self._finish()
            if self._on_progress and self._reply:
                self._on_progress(self._reply)
        return None

    def _finish(self) -> None:
        if self._waiter and not self._waiter.done() and self._reply:
            self._waiter.set_result(self._reply)

    def connection_lost(self, exc: Exception | None) -> None:
        # Also for a reply whose end is the end of the connection: nobody could tell it from one cut short.
        self._lose(f"connection lost: {exc}" if exc else CLOSED_EARLY)

    def _lose(self, why: str) -> None:
        on_idle_close = self._on_idle_close
        self.close()
        if self._waiter and not self._waiter.done():
            self._waiter.set_exception(Failed(why))
        elif on_idle_close:
            on_idle_close(self)


async def send_fresh(target: Target, request: Request, on_progress: Callable[[Reply], None] | None = None) -> Reply:
    """Send on a connection of its own. Raises Failed or OSError when no complete reply comes."""
    connection = await Http1Connection.open(target)
    try:
        return await connection.exchange(request, on_progress)
    finally:
        connection.close()


class KeepAlivePool:
    """About `keep` connections used in turn; more, up to `limit`, only while answers are slow."""

    def __init__(self, target: Target, keep: int = 8, limit: int = 64) -> None:
        self.idle_closed = 0
        self._target = target
        self._keep = keep
        self._slots = asyncio.Semaphore(limit)
        self._idle: deque[Http1Connection] = deque()
        self._busy = 0

    async def send(self, request: Request) -> Reply:
        """Send on an idle connection, or a new one. Raises Failed or OSError when no complete reply comes."""
        async with self._slots:
            idle = self._take_idle()
            self._busy += 1
            try:
                connection = idle or await Http1Connection.open(self._target, self._note_idle_close)
                reply = await connection.exchange(request)
            finally:
                self._busy -= 1
            self._put_back(connection)
            return reply

    def close(self) -> None:
        """Close all idle connections."""
        while self._idle:
            self._idle.popleft().close()

    def _take_idle(self) -> Http1Connection | None:
        full = self._busy + len(self._idle) >= self._keep
        return self._idle.popleft() if full and self._idle else None

    def _put_back(self, connection: Http1Connection) -> None:
        if not connection.usable:
            return
        if self._busy + len(self._idle) < self._keep:
            self._idle.append(connection)
        else:
            connection.close()

    def _note_idle_close(self, connection: Http1Connection) -> None:
        self.idle_closed += 1
        if connection in self._idle:
            self._idle.remove(connection)
