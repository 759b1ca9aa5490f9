"""Server-sent events of new items."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from app.items.feed import Subscription
from app.items.schemas import Item
from app.resources import Resources
from app.shutdown import Shutdown

CATCH_UP_LIMIT = 1000
HEARTBEAT = ": heartbeat\n\n"
RECONNECT_AFTER = "retry: 200\n\n"  # milliseconds


def event(item: Item) -> str:
    return f"id: {item.id}\nevent: item\ndata: {item.model_dump_json()}\n\n"


async def item_events(
    resources: Resources, subscription: Subscription, shutdown: Shutdown, last_id: int | None
) -> AsyncGenerator[str]:
    """Events until the process stops or items were missed; the client then reconnects with its last event's id.

    last_id: what a client that reconnects has already seen; newer items are sent first.
    """
    yield RECONNECT_AFTER
    sent: set[int] = set()
    if last_id is not None:
        for missed in await resources.items.list_after(last_id, CATCH_UP_LIMIT):
            sent.add(missed.id)
            yield event(missed)
    async with aclosing(_live(subscription, shutdown, resources.settings.sse_heartbeat_seconds)) as live:
        async for item in live:
            if item is None:
                yield HEARTBEAT
            elif item.id not in sent:
                yield event(item)


async def _live(
    subscription: Subscription, shutdown: Shutdown, heartbeat_seconds: float
) -> AsyncGenerator[Item | None]:
    """Items as they come, None after each `heartbeat_seconds` without one; ends with the shutdown or the feed."""
    stopping = asyncio.create_task(shutdown.wait())
    coming = asyncio.create_task(subscription.next())
    try:
        while not stopping.done():
            await asyncio.wait({stopping, coming}, timeout=heartbeat_seconds, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                item = coming.result()
                if item is None:
                    return
                yield item
                coming = asyncio.create_task(subscription.next())
            elif not stopping.done():
                yield None
    finally:
        stopping.cancel()
        coming.cancel()
