"""Who answers, and in which trace: `X-Release` and `traceparent` on every response."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.trace import continue_trace, current_trace


class IdentityMiddleware:
    def __init__(self, app: ASGIApp, release: str) -> None:
        self._app = app
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = continue_trace(Headers(scope=scope).getlist("traceparent"))

        async def send_with_identity(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Release"] = self._release
                headers["traceparent"] = trace.traceparent
            await send(message)

        token = current_trace.set(trace)
        try:
            await self._app(scope, receive, send_with_identity)
        finally:
            current_trace.reset(token)
