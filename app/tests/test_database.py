"""The pool of connections."""

import asyncio
from typing import Any

from sqlalchemy import text

from app.database import create_engine
from app.settings import load_settings

OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name AND pid <> pg_backend_pid()"
)


def test_connections_that_the_server_closed_are_replaced() -> None:
    async def use_after_restart() -> list[int]:
        engine, administrator = create_engine(load_settings()), create_engine(load_settings())
        try:
            async with engine.connect() as first, engine.connect() as second:
                name = await first.scalar(text("SHOW application_name"))
                drivers: list[Any] = [(await c.get_raw_connection()).driver_connection for c in (first, second)]
            async with administrator.connect() as survivor:
                await survivor.execute(text(OTHERS), {"name": name})
            async with asyncio.timeout(5):
                while not all(driver.is_closed() for driver in drivers):  # once the event loop has read it
                    await asyncio.sleep(0.01)
            answers = []
            for _ in range(3):
                async with engine.connect() as connection, engine.connect() as other:
                    answers += [await connection.scalar(text("SELECT 1")), await other.scalar(text("SELECT 1"))]
            return answers
        finally:
            await engine.dispose()
            await administrator.dispose()

    assert asyncio.run(use_after_restart()) == [1] * 6
