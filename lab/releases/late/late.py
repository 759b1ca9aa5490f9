"""The reference app with a /ready that says "not ready" for a while."""

import os
import time

import app.main
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match, Route
from starlette.types import Scope

READY_AT = time.monotonic() + float(os.environ["READY_AFTER_SECONDS"])


class EarlyRoute(Route):
    """Hides the app's own route of the same path until READY_AT."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(scope) if time.monotonic() < READY_AT else (Match.NONE, {})


async def not_ready(request: Request) -> JSONResponse:
    body = {"status": "not ready", "release": os.environ.get("RELEASE"), "version": os.environ["APP_VERSION"]}
    checks = {"warm_up": {"status": "failed", "detail": "this release is slow on purpose"}}
    return JSONResponse({**body, "revision": None, "checks": checks}, status_code=503)


def create_app() -> FastAPI:
    service = app.main.create_app()
    service.router.routes.insert(0, EarlyRoute("/ready", not_ready))
    return service
