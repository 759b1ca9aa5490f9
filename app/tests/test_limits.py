import asyncio
import re
import time
from collections.abc import AsyncGenerator

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import StreamingResponse

from app.main import create_app
from app.settings import Settings

pytestmark = pytest.mark.anyio
LIMIT_BYTES = 100


@pytest.fixture
async def limited(settings: Settings) -> AsyncGenerator[httpx.AsyncClient]:
    tight = {"body_limit_bytes": LIMIT_BYTES, "request_timeout_seconds": 0.3, "long_poll_limit_seconds": 0.1}
    app = create_app(settings.model_copy(update=tight))
    add_slow_routes(app)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://shop") as client,
    ):
        yield client


def add_slow_routes(app: FastAPI) -> None:
    @app.get("/slow")
    async def slow() -> None:
        await asyncio.sleep(30)

    @app.get("/own-timeout")
    async def own_timeout() -> None:
        raise TimeoutError

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("a secret value")

    @app.get("/slow-stream")
    async def slow_stream() -> StreamingResponse:
        async def events() -> AsyncGenerator[str]:
            yield ": begin\n\n"
            await asyncio.sleep(0.5)
            yield ": end\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    @app.post("/size")
    async def size(request: Request) -> int:
        return len(await request.body())


async def chunks(total: int) -> AsyncGenerator[bytes]:
    for _ in range(total):
        yield b"x"


@pytest.mark.parametrize(("size", "status"), [(0, 200), (LIMIT_BYTES, 200), (LIMIT_BYTES + 1, 413)])
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_body_limit(limited: httpx.AsyncClient, size: int, status: int, is_chunked: bool) -> None:
    response = await limited.post("/size", content=chunks(size) if is_chunked else b"x" * size)
    assert response.status_code == status
    if status == 413:
        assert response.headers["Connection"] == "close"
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["detail"] == "the request body is larger than 100 bytes"


async def test_json_bodies_have_the_same_limit(limited: httpx.AsyncClient) -> None:
    response = await limited.post("/items", content=chunks(500), headers={"Content-Type": "application/json"})
    assert response.status_code == 413


async def test_time_limit(limited: httpx.AsyncClient) -> None:
    started = time.monotonic()
    response = await limited.get("/slow")
    assert time.monotonic() - started < 5
    assert (response.status_code, response.json()["detail"]) == (503, "no answer within 0.3 s")
    assert response.headers["X-Release"]
    assert response.headers["traceparent"]


async def test_event_streams_have_no_time_limit(limited: httpx.AsyncClient) -> None:
    assert (await limited.get("/slow-stream")).text == ": begin\n\n: end\n\n"


async def test_no_more_clients_may_wait_than_the_limit(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"waiting_clients_limit": 1}))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://shop") as client,
    ):
        with app.state.resources.feed.subscribe():
            for path in ("/items/events", "/items/wait?reference=nobody"):
                refused = await client.get(path)
                assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        waited = await client.get("/items/wait?reference=nobody&seconds=0")
        assert waited.status_code == 204
        assert (
            await client.get("/items/wait?reference=nobody&seconds=0")
        ).status_code == 204  # its place is free again


async def test_the_documentation_loads_nothing_from_elsewhere(limited: httpx.AsyncClient) -> None:
    page = (await limited.get("/docs")).text
    sources = re.findall(r"(?:src|href)=\"([^\"]+)\"", page)
    assert len(sources) == 3
    for source in sources:
        assert source.startswith("http://shop/swagger/")
        assert (await limited.get(source)).status_code == 200
    assert (await limited.get("/redoc")).status_code == 404


@pytest.mark.parametrize(("path", "status"), [("/own-timeout", 503), ("/broken", 500)])
async def test_errors_are_problems_with_all_headers_and_no_detail(
    limited: httpx.AsyncClient, path: str, status: int
) -> None:
    response = await limited.get(path)
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/problem+json")
    assert response.headers["X-Release"]
    assert "a secret value" not in response.text
