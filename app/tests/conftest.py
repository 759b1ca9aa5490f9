"""The app in this process (`client`) and as a real server on a unix socket (`start_server`)."""

import socket
import uuid
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.database import database_url
from app.main import create_app
from app.settings import Settings, load_settings
from tests.server import GunicornServer

StartServer = Callable[..., GunicornServer]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def settings() -> Settings:
    return load_settings()


@pytest.fixture
def reference() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def secrets(settings: Settings) -> list[str]:
    """The values that no log may show."""
    passwords = (settings.database_password, settings.redis_password)
    return [password.get_secret_value() for password in passwords if password]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
async def client(settings: Settings) -> AsyncGenerator[httpx.AsyncClient]:
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client,
    ):
        await app.state.resources.feed.connected.wait()
        yield client


@pytest.fixture
async def other_database(settings: Settings) -> AsyncGenerator[Settings]:
    """Settings for an empty database of its own."""
    name = f"test_{uuid.uuid4().hex}"
    engine = create_async_engine(database_url(settings), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
        yield settings.model_copy(update={"database_name": name})
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await engine.dispose()


@pytest.fixture
def start_server() -> Generator[StartServer]:
    with ExitStack() as servers:

        def start(wait_for: str | None = "/ready", **environment: str) -> GunicornServer:
            server = servers.enter_context(GunicornServer(environment))
            if wait_for:
                server.wait_for(wait_for)
            return server

        yield start
