from datetime import UTC, datetime

import pytest

from app.cache import create_redis
from app.items.feed import MAX_UNREAD, Feed, Subscription
from app.items.schemas import Item
from app.settings import Settings

pytestmark = pytest.mark.anyio
ITEM = Item(id=1, name="lamp", reference="r", created_at=datetime(2026, 1, 1, tzinfo=UTC))


async def test_a_reader_that_lags_is_told_so_instead_of_filling_memory() -> None:
    subscription = Subscription()
    for _ in range(MAX_UNREAD):
        subscription.offer(ITEM)
    assert await subscription.next() == ITEM
    subscription.offer(ITEM)
    subscription.offer(ITEM)
    assert subscription.lost
    assert await subscription.next() is None


async def test_an_announcement_without_redis_does_not_fail(settings: Settings) -> None:
    redis = create_redis(settings.model_copy(update={"redis_port": 1}))
    await Feed(redis, 1).publish(ITEM)
    await redis.aclose()
