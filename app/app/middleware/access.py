"""One log line and one count per request. Paths are logged, query strings never: they may hold secrets."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.metrics import Metrics

logger = logging.getLogger("app.access")

# Asked every second by health checks and scrapers: logged at level debug while all is well.
QUIET_PATHS = frozenset({"/health", "/ready", "/metrics"})
CLIENT_GONE = 499  # nginx's number for "no response: the client went away"; never sent


class AccessMiddleware:
    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), CLIENT_GONE

        async def remember_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, remember_status)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.count(scope["method"], route, status, seconds)
        quiet = scope["path"] in QUIET_PATHS and status < 400
        fields = {
            "method": scope["method"],
            "path": scope["path"],
            "route": route,
            "status": status,
            "duration_ms": round(seconds * 1000, 2),
            "client": scope["client"][0] if scope.get("client") else None,
        }
        logger.log(logging.DEBUG if quiet else logging.INFO, "request", extra={"fields": fields})
