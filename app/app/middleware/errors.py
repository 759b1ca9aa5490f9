"""Unexpected errors: logged with their traceback, answered with a bare 500 that has the usual headers."""

import logging
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.problem import problem

logger = logging.getLogger(__name__)


class ErrorMiddleware:
    """Starlette's own handler for status 500 sits outside all middleware, so its answer would lack our headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def remember_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, remember_start)
        except Exception:
            if scope["type"] != "http" or started:
                raise  # too late for another answer: the server cuts the connection and logs
            logger.exception("unexpected error")
            await problem(HTTPStatus.INTERNAL_SERVER_ERROR)(scope, receive, send)
