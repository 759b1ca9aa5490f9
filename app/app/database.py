"""The connections to PostgreSQL."""

from typing import Any

from sqlalchemy import URL, event, text
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.settings import Settings


def database_url(settings: Settings) -> URL:
    return URL.create(
        "postgresql+asyncpg",
        username=settings.database_user,
        password=settings.database_password.get_secret_value(),
        host=settings.database_host,
        port=settings.database_port,
        database=settings.database_name,
    )


def create_engine(settings: Settings) -> AsyncEngine:
    """The pool of one worker; connects at first use."""
    engine = create_async_engine(
        database_url(settings),
        pool_size=settings.database_pool_size,
        max_overflow=settings.database_max_overflow,
        pool_timeout=settings.database_pool_timeout_seconds,
        hide_parameters=True,
        connect_args=connect_args(settings, "web", statement_timeout=settings.request_timeout_seconds),
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, *_: object) -> None:
    """Have the pool replace a connection that the server closed, as after a restart of it.

    asyncpg is told of that by the event loop. pool_pre_ping would ask the server three questions before each request.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def connect_args(settings: Settings, role: str, **timeouts_seconds: float) -> dict[str, Any]:
    """Arguments of asyncpg.connect; `timeouts_seconds` become server settings of the same names.

    A statement must not outlive the request that asked for it.
    """
    timeouts = {name: str(int(seconds * 1000)) for name, seconds in timeouts_seconds.items()}
    application_name = f"shop {role} {settings.release}"[:63]
    server_settings = {"application_name": application_name, **timeouts}
    return {"timeout": settings.database_connect_timeout_seconds, "server_settings": server_settings}


async def ping_database(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
