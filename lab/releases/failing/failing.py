"""The reference app with a bug in everything but its health checks: only the share of errors at the proxy can tell."""

import os

import app.main
from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

CHECKS = {"/health", "/ready"}


class Failing:
    """Answers every request of a user with 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in CHECKS:
            await self.app(scope, receive, send)
            return
        body = {"detail": "this release fails on purpose"}
        await JSONResponse(body, 500, {"X-Release": os.environ["RELEASE"]})(scope, receive, send)


def create_app() -> FastAPI:
    service = app.main.create_app()
    service.add_middleware(Failing)
    return service
