"""The reference app, killed soon after traffic reaches it: a crash that no readiness check can see beforehand.

Once the file `poison` lies beside its socket it dies at every start, at once.
"""

import asyncio
import os
import signal
from pathlib import Path

import app.main
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

SECONDS = float(os.environ["DIE_AFTER_SECONDS"])
POISON = Path("/run/fairlead/poison")


def kill_service() -> None:
    """Kill gunicorn, this worker's parent."""
    os.kill(os.getppid(), signal.SIGKILL)


class Doom:
    """Kills the service some seconds after the first proxied request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if any(name == b"x-forwarded-for" for name, _ in scope.get("headers", [])):
            asyncio.get_running_loop().call_later(SECONDS, kill_service)
        await self.app(scope, receive, send)


def create_app() -> FastAPI:
    if POISON.exists():
        kill_service()
    service = app.main.create_app()
    service.add_middleware(Doom)
    return service
