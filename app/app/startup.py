"""The wait for the database and Redis before the first worker starts."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from app.cache import create_redis
from app.database import create_engine, ping_database
from app.kinds import kind
from app.settings import Settings

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
TRY_SECONDS = 3.0

logger = logging.getLogger(__name__)
Ping = Callable[[], Awaitable[object]]


class DependencyUnavailableError(Exception):
    """A service that the app needs did not answer in time."""


async def wait_for_dependencies(settings: Settings) -> None:
    """Return once the database and Redis answer.

    Raises DependencyUnavailableError, naming those that do not, after settings.startup_wait_seconds.
    """
    engine, redis = create_engine(settings), create_redis(settings)
    pings: dict[str, Ping] = {
        f"database at {settings.database_host}:{settings.database_port}": lambda: ping_database(engine),
        f"redis at {settings.redis_host}:{settings.redis_port}": lambda: redis.ping(),
    }
    try:
        await wait_for(pings, settings.startup_wait_seconds)
    finally:
        await redis.aclose()
        await engine.dispose()


async def wait_for(pings: Mapping[str, Ping], wait_seconds: float) -> None:
    """Call each ping until it succeeds once; see wait_for_dependencies."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + wait_seconds
    waiting, pause = dict(pings), FIRST_PAUSE_SECONDS
    while True:
        outcomes = await asyncio.gather(*(_failure(ping) for ping in waiting.values()))
        failures = {name: failure for name, failure in zip(waiting, outcomes, strict=True) if failure}
        if not failures:
            return
        reasons = "; ".join(f"{name}: {failure}" for name, failure in failures.items())
        if clock() + pause > deadline:
            raise DependencyUnavailableError(f"not reachable within {wait_seconds:g} s: {reasons}")
        logger.warning("waiting for %s", reasons)
        waiting = {name: waiting[name] for name in failures}
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


async def _failure(ping: Ping) -> str | None:
    try:
        async with asyncio.timeout(TRY_SECONDS):
            await ping()
    except Exception as error:
        return kind(error)
    return None
