"""The reference app with a WebSocket, a request that outlasts every limit, and one that blocks a worker's event loop."""

import asyncio
import os
import time
from typing import Any, ClassVar

import app.main
import app.server
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

FOREVER = 3600


class Worker(app.server.Worker):
    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {**app.server.Worker.CONFIG_KWARGS, "ws": "wsproto"}


class Stubborn:
    """GET /stubborn takes an hour; outside of the app, whose time limit would end it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/stubborn":
            await self.app(scope, receive, send)
            return
        await asyncio.sleep(FOREVER)
        await PlainTextResponse("at last")(scope, receive, send)


async def wedge() -> None:
    """Block the loop, as a forgotten `time.sleep` or a slow regular expression does."""
    time.sleep(FOREVER)


async def echo(socket: WebSocket) -> None:
    """Answer each message with the release's id and the message."""
    await socket.accept()
    try:
        while True:
            await socket.send_text(f"{os.environ['RELEASE']} {await socket.receive_text()}")
    except WebSocketDisconnect:
        return


def create_app() -> FastAPI:
    service = app.main.create_app()
    service.add_api_route("/wedge", wedge, methods=["POST"])
    service.add_api_websocket_route("/echo", echo)
    service.add_middleware(Stubborn)
    return service
