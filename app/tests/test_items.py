import asyncio
import json
import time

import httpx
import pytest

from app.cache import create_redis
from app.settings import Settings

pytestmark = pytest.mark.anyio


async def create(client: httpx.AsyncClient, reference: str, name: str = "lamp") -> dict[str, object]:
    response = await client.post("/items", json={"name": name, "reference": reference})
    assert response.status_code == 201, response.text
    item: dict[str, object] = response.json()
    assert response.headers["Location"] == f"/items/{item['id']}"
    return item


async def test_a_created_item_can_be_read_and_listed(client: httpx.AsyncClient, reference: str) -> None:
    first, second = await create(client, reference), await create(client, reference, "  desk ")
    assert set(first) == {"id", "name", "reference", "created_at"}
    assert second["name"] == "desk"
    assert (await client.get(f"/items/{first['id']}")).json() == first
    listed = await client.get("/items", params={"after": str(first["id"]), "limit": "1"})
    assert listed.json() == {"items": [second]}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "location"),
    [
        ("GET", "/items/9000000000", None, 404, None),
        ("GET", "/items/0", None, 422, ["path", "item_id"]),
        ("GET", "/items/9223372036854775808", None, 422, ["path", "item_id"]),
        ("GET", "/items/lamp", None, 422, ["path", "item_id"]),
        ("GET", "/items?limit=1001", None, 422, ["query", "limit"]),
        ("GET", "/items?after=-1", None, 422, ["query", "after"]),
        ("GET", "/items/wait", None, 422, ["query", "reference"]),
        ("GET", "/items/wait?reference=%00", None, 422, ["query", "reference"]),
        ("GET", "/items/wait?reference=r&seconds=20.1", None, 422, ["query", "seconds"]),
        ("POST", "/items", {"name": " ", "reference": "r"}, 422, ["body", "name"]),
        ("POST", "/items", {"name": "n" * 201, "reference": "r"}, 422, ["body", "name"]),
        ("POST", "/items", {"name": "n", "reference": "r" * 101}, 422, ["body", "reference"]),
        ("POST", "/items", {"name": "a\x00b", "reference": "r"}, 422, ["body", "name"]),
        ("POST", "/items", {"name": "\ud800", "reference": "r"}, 422, ["body", "name"]),
        ("POST", "/items", {"name": "n"}, 422, ["body", "reference"]),
        ("DELETE", "/items", None, 405, None),
        ("GET", "/nowhere", None, 404, None),
    ],
)
async def test_bad_requests_are_refused(
    client: httpx.AsyncClient, method: str, path: str, body: object, status: int, location: list[str] | None
) -> None:
    content = None if body is None else json.dumps(body)
    response = await client.request(method, path, content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Release"]
    problem = response.json()
    assert problem["status"] == status
    if location:
        assert [error["location"] for error in problem["errors"]] == [location]


async def test_the_second_read_comes_from_redis(client: httpx.AsyncClient, settings: Settings, reference: str) -> None:
    item = await create(client, reference)
    key = f"items:{item['id']}"
    redis = create_redis(settings)
    assert await redis.get(key) is None
    await client.get(f"/items/{item['id']}")
    cached = json.loads(await redis.get(key) or "")
    assert cached == item
    assert 0 < await redis.ttl(key) <= settings.cache_ttl_seconds
    # A mark that only Redis has proves where the next answer comes from.
    await redis.set(key, json.dumps(cached | {"name": "from redis", "column_of_a_later_release": 1}))
    assert (await client.get(f"/items/{item['id']}")).json() == item | {"name": "from redis"}
    await redis.set(key, '{"shape": "unknown"}')
    assert (await client.get(f"/items/{item['id']}")).json() == item
    await redis.aclose()


async def test_long_poll_answers_as_soon_as_the_item_is_there(client: httpx.AsyncClient, reference: str) -> None:
    poll = asyncio.create_task(client.get("/items/wait", params={"reference": reference, "seconds": "10"}))
    await asyncio.sleep(0.2)  # not a wait for a state: the item must come while the poll is open
    await create(client, f"not-{reference}")
    assert not poll.done()
    started, item = time.monotonic(), await create(client, reference)
    assert (await poll).json() == item
    assert time.monotonic() - started < 5
    at_once = await client.get("/items/wait", params={"reference": reference, "seconds": "0"})
    assert at_once.json() == item


async def test_long_poll_gives_up_with_204(client: httpx.AsyncClient, reference: str) -> None:
    started = time.monotonic()
    response = await client.get("/items/wait", params={"reference": reference, "seconds": "0.5"})
    assert (response.status_code, response.content) == (204, b"")
    assert 0.5 <= time.monotonic() - started < 5
