"""The reference app with a readiness that comes and goes: one good answer proves nothing."""

from itertools import cycle

import app.main
from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class Flapping:
    """Answers every second question for /ready itself, with 503."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.moods = cycle([True, False])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/ready" and not next(self.moods):
            answer = JSONResponse({"status": "not ready", "detail": "this release flaps on purpose"}, status_code=503)
            await answer(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def create_app() -> FastAPI:
    service = app.main.create_app()
    service.add_middleware(Flapping)
    return service
