"""gunicorn's worker: uvicorn with a bounded, announced stop."""

import asyncio
import socket
import sys
from typing import Any

from gunicorn.arbiter import Arbiter
from uvicorn import Server
from uvicorn_worker import UvicornWorker

from app.settings import CLOSING_SECONDS
from app.shutdown import Shutdown

# Long enough to read a request on a connection that was accepted just before.
SETTLE_SECONDS = 0.2


class AnnouncingServer(Server):
    """Announces every stop: SIGTERM and the recycling of a worker after max_requests."""

    announcement: Shutdown

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.announcement.begin()
        # uvicorn closes each connection that has no request yet. One accepted a moment ago may have its request
        # in the socket's buffer, and would lose it when a worker is recycled under load: accept no more, then read.
        for server in self.servers:
            server.close()
        await asyncio.sleep(SETTLE_SECONDS)
        await super().shutdown(sockets)


class Worker(UvicornWorker):
    CONFIG_KWARGS: dict[str, Any] = {  # noqa: RUF012 - uvicorn_worker declares it so
        "loop": "uvloop",
        "http": "httptools",
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        "server_header": False,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # uvicorn must give up before gunicorn kills it, or pools stay open and streams are cut without a word.
        self.config.timeout_graceful_shutdown = self.cfg.graceful_timeout - CLOSING_SECONDS

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        server = AnnouncingServer(config=self.config)
        server.announcement = self.wsgi.state.shutdown
        self._install_sigquit_handler()
        # gunicorn wraps its sockets; uvloop closes only plain ones without complaint.
        await server.serve(sockets=[listener.sock for listener in self.sockets])
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
