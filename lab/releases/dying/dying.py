"""The reference app, killed soon after traffic reaches it: a crash that no readiness check can see beforehand."""

import asyncio
import os
import signal

import app.main
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

SECONDS = float(os.environ["DIE_AFTER_SECONDS"])


class Doom:
    """Kills gunicorn, this worker's parent, some seconds after the first proxied request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if any(name == b"x-forwarded-for" for name, _ in scope.get("headers", [])):
            asyncio.get_running_loop().call_later(SECONDS, os.kill, os.getppid(), signal.SIGKILL)
        await self.app(scope, receive, send)


def create_app() -> FastAPI:
    service = app.main.create_app()
    service.add_middleware(Doom)
    return service
