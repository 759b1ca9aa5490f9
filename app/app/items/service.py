"""What one can do with items."""

import asyncio
from contextlib import suppress

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from app.items.cache import ItemCache
from app.items.feed import Feed, Subscription
from app.items.repository import ItemRepository
from app.items.schemas import Item, NewItem


class ItemService:
    def __init__(self, engine: AsyncEngine, redis: Redis, feed: Feed, cache_ttl_seconds: int) -> None:
        self._repository = ItemRepository(engine)
        self._cache = ItemCache(redis, cache_ttl_seconds)
        self._feed = feed

    async def create(self, new: NewItem) -> Item:
        item = await self._repository.add(new)
        await self._feed.publish(item)
        return item

    async def get(self, item_id: int) -> Item | None:
        return await self._cache.get(item_id, self._repository.get)

    async def list_after(self, item_id: int, limit: int) -> list[Item]:
        return await self._repository.list_after(item_id, limit)

    async def wait_for(self, reference: str, seconds: float) -> Item | None:
        """The item with this reference, as soon as there is one; None after `seconds`."""
        with self._feed.subscribe() as subscription:
            # Subscribed first: an item committed in between is in the database or in the feed, or both.
            if (item := await self._repository.find(reference)) is not None:
                return item
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    return await _next_with(reference, subscription)
        # The feed may have been interrupted; the database has the last word.
        return await self._repository.find(reference)


async def _next_with(reference: str, subscription: Subscription) -> Item:
    while (item := await subscription.next()) is not None:
        if item.reference == reference:
            return item
    return await asyncio.Future()  # nothing more will come: wait for the time-out
