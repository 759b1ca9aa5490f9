"""Limits on the size of a request and on the time to answer it."""

import asyncio
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.problem import problem


class BodyLimitMiddleware:
    """413 for bodies over `limit_bytes`: by their declared length before reading, or while reading when chunked."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if int(Headers(scope=scope).get("content-length", "0")) > self._limit_bytes:
            error = self._too_large()
            await problem(error.status_code, error.detail, dict(error.headers or {}))(scope, receive, send)
            return
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit_bytes:
                raise self._too_large()  # reaches the app's handler: it is raised where the body is read
            return message

        await self._app(scope, receive_within_limit, send)

    def _too_large(self) -> HTTPException:
        detail = f"the request body is larger than {self._limit_bytes} bytes"
        # Closing saves reading the rest of a body that nobody wants.
        return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, {"Connection": "close"})


class TimeLimitMiddleware:
    """503 when there is no full answer after `limit_seconds`. Event streams are free from their first byte on."""

    def __init__(self, app: ASGIApp, limit_seconds: float) -> None:
        self._app = app
        self._limit_seconds = limit_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch_start(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if Headers(raw=message["headers"]).get("content-type", "").startswith("text/event-stream"):
                    deadline.reschedule(None)
            await send(message)

        try:
            async with asyncio.timeout(self._limit_seconds) as deadline:
                await self._app(scope, receive, watch_start)
        except TimeoutError:
            if started or not deadline.expired():
                raise
            detail = f"no answer within {self._limit_seconds:g} s"
            await problem(HTTPStatus.SERVICE_UNAVAILABLE, detail)(scope, receive, send)
