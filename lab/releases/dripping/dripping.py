"""The reference app with a /ready that is answered one byte at a time, for as long as somebody reads."""

import asyncio

import app.main
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

PAUSE_SECONDS = 0.2


class Dripping:
    """Answers /ready itself; outside of the app, whose time limit would end it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") != "/ready":
            await self.app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000000")]})
        while True:
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await asyncio.sleep(PAUSE_SECONDS)


def create_app() -> FastAPI:
    service = app.main.create_app()
    service.add_middleware(Dripping)
    return service
