"""The reference app with too little memory for its work: the kernel kills a process of it, and the others go on answering."""

import subprocess
import sys

import app.main
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

# Written to, or the kernel would not count it; far more than the limit that the test sets.
FILL = "kept = [b'x' * 16_000_000 for _ in range(64)]"


class Hunger:
    """Has the work of the first proxied request done by a process that needs a gigabyte."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.worker: subprocess.Popen[bytes] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.worker is None and any(name == b"x-forwarded-for" for name, _ in scope.get("headers", [])):
            self.worker = subprocess.Popen([sys.executable, "-c", FILL])
        await self.app(scope, receive, send)


def create_app() -> FastAPI:
    service = app.main.create_app()
    service.add_middleware(Hunger)
    return service
