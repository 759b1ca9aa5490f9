"""A read-through cache of single items. When Redis fails, items come from the database."""

import logging
from collections.abc import Awaitable, Callable

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.items.schemas import Item
from app.kinds import kind

logger = logging.getLogger(__name__)


class ItemCache:
    def __init__(self, redis: Redis, ttl_seconds: int) -> None:
        self._redis = redis
        self._ttl_seconds = ttl_seconds

    async def get(self, item_id: int, load: Callable[[int], Awaitable[Item | None]]) -> Item | None:
        """The cached item, else what `load` returns, which is then cached."""
        if (item := await self._read(item_id)) is not None:
            return item
        if (item := await load(item_id)) is not None:
            await self._write(item)
        return item

    async def _read(self, item_id: int) -> Item | None:
        try:
            text = await self._redis.get(self._key(item_id))
            return Item.model_validate_json(text) if text else None
        except (RedisError, OSError) as error:
            logger.warning("cache not read: %s", kind(error))
        except ValidationError:
            logger.warning("cached item %d has a shape that this release does not know", item_id)
        return None

    async def _write(self, item: Item) -> None:
        try:
            await self._redis.set(self._key(item.id), item.model_dump_json(), ex=self._ttl_seconds)
        except (RedisError, OSError) as error:
            logger.warning("cache not written: %s", kind(error))

    @staticmethod
    def _key(item_id: int) -> str:
        return f"items:{item_id}"
