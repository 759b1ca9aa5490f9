"""HTTP for items."""

from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from app.items.feed import Subscription
from app.items.schemas import MAX_ID, Item, ItemList, NewItem, Reference
from app.items.stream import item_events
from app.resources import CurrentResources
from app.settings import Settings

ItemId = Annotated[int, Path(ge=1, le=MAX_ID)]
After = Annotated[int, Query(ge=0, le=MAX_ID)]
LastEventId = Annotated[int | None, Header(ge=0, le=MAX_ID)]


async def _subscription(resources: CurrentResources) -> AsyncGenerator[Subscription]:
    """A share of the feed until the response has been sent, reserved before its first byte."""
    with resources.feed.subscribe() as subscription:
        yield subscription


def items_router(settings: Settings) -> APIRouter:
    router = APIRouter(prefix="/items", tags=["items"])
    wait_limit = settings.long_poll_limit_seconds

    @router.post("", status_code=HTTPStatus.CREATED)
    async def create(new: NewItem, resources: CurrentResources, response: Response) -> Item:
        item = await resources.items.create(new)
        response.headers["Location"] = f"/items/{item.id}"
        return item

    @router.get("")
    async def list_items(
        resources: CurrentResources, after: After = 0, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> ItemList:
        """Items in the order of their ids, from the one behind `after`."""
        return ItemList(items=await resources.items.list_after(after, limit))

    @router.get("/wait", response_model=Item, responses={204: {"description": "No such item came in time"}})
    async def wait(
        resources: CurrentResources,
        reference: Annotated[Reference, Query()],
        seconds: Annotated[float, Query(ge=0, le=wait_limit)] = min(5, wait_limit),
    ) -> Item | Response:
        """Long poll: the item with this reference, as soon as there is one."""
        return await resources.items.wait_for(reference, seconds) or Response(status_code=HTTPStatus.NO_CONTENT)

    @router.get("/events", response_class=StreamingResponse)
    async def events(
        request: Request,
        resources: CurrentResources,
        subscription: Annotated[Subscription, Depends(_subscription)],
        last_event_id: LastEventId = None,
    ) -> StreamingResponse:
        """Server-sent events: each new item, and a comment as heartbeat."""
        stream = item_events(resources, subscription, request.app.state.shutdown, last_event_id)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    @router.get("/{item_id}")
    async def get(item_id: ItemId, resources: CurrentResources) -> Item:
        item = await resources.items.get(item_id)
        if item is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no item {item_id}")
        return item

    return router
