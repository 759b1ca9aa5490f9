"""New items as they come: one Redis subscription per worker, handed on to its open requests."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.items.schemas import Item
from app.kinds import kind

CHANNEL = "items:new"
MAX_UNREAD = 1000
RECONNECT_SECONDS = 1.0
POLL_SECONDS = 5.0

logger = logging.getLogger(__name__)


class TooManySubscriptionsError(Exception):
    """As many clients wait for items as one worker is willing to serve."""


class Subscription:
    """One request's share of the feed; `lost` means that items were missed and it must start afresh."""

    def __init__(self) -> None:
        self._items: asyncio.Queue[Item | None] = asyncio.Queue(MAX_UNREAD)
        self.lost = False

    async def next(self) -> Item | None:
        """The next item; None once the subscription is lost."""
        return None if self.lost else await self._items.get()

    def offer(self, item: Item) -> None:
        if self._items.full():
            self.lose()
        else:
            self._items.put_nowait(item)

    def lose(self) -> None:
        self.lost = True
        if self._items.empty():
            self._items.put_nowait(None)  # wakes a reader that waits


class Feed:
    def __init__(self, redis: Redis, limit: int) -> None:
        self._redis = redis
        self._limit = limit
        self._subscriptions: set[Subscription] = set()
        self.connected = asyncio.Event()

    async def publish(self, item: Item) -> None:
        """Announce an item that is committed; without Redis nobody hears of it, and the item stays."""
        try:
            await self._redis.publish(CHANNEL, item.model_dump_json())
        except (RedisError, OSError) as error:
            logger.warning("item %d not announced: %s", item.id, kind(error))

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Hand out new items during the block. Raises TooManySubscriptionsError."""
        if len(self._subscriptions) >= self._limit:
            raise TooManySubscriptionsError
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    async def run(self) -> None:
        """Hand on what Redis announces until cancelled; reconnects."""
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                logger.warning("item feed interrupted: %s", kind(error))
            finally:
                self.connected.clear()
                for subscription in self._subscriptions:
                    subscription.lose()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(CHANNEL)
            self.connected.set()
            while True:
                message = await channel.get_message(timeout=POLL_SECONDS)
                if message is not None:
                    self._hand_on(message["data"])

    def _hand_on(self, text: str) -> None:
        try:
            item = Item.model_validate_json(text)
        except ValidationError:
            logger.warning("announced item has a shape that this release does not know")
            return
        for subscription in self._subscriptions:
            subscription.offer(item)
