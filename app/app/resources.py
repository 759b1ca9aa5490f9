"""What one worker holds from start to stop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from app.cache import create_redis
from app.database import create_engine
from app.items.feed import Feed
from app.items.service import ItemService
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Resources:
    settings: Settings
    engine: AsyncEngine
    redis: Redis
    feed: Feed
    items: ItemService


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncGenerator[Resources]:
    """Pools that connect at first use and the task that listens to Redis; all closed at the end."""
    engine, redis = create_engine(settings), create_redis(settings)
    feed = Feed(redis, settings.waiting_clients_limit)
    listening = asyncio.create_task(feed.run(), name="item feed")
    try:
        yield Resources(settings, engine, redis, feed, ItemService(engine, redis, feed, settings.cache_ttl_seconds))
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
        await redis.aclose()
        await engine.dispose()


async def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


CurrentResources = Annotated[Resources, Depends(_resources)]
