from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from sqlalchemy import text

import app.health
from app.database import create_engine
from app.main import create_app
from app.schema import Revisions, load_revisions
from app.settings import Settings

pytestmark = pytest.mark.anyio
CLOSED_PORT = 1
HEAD = ",".join(load_revisions().heads)


async def answers(
    settings: Settings, *requests: tuple[str, str], headers: dict[str, str] | None = None
) -> list[httpx.Response]:
    app = create_app(settings)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        transport = httpx.ASGITransport(app)
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://shop"))
        item = {"name": "lamp", "reference": "outage"}
        return [
            await client.request(*request, headers=headers, json=item if request[0] == "POST" else None)
            for request in requests
        ]


async def ready(settings: Settings) -> tuple[int, dict[str, Any]]:
    (response,) = await answers(settings, ("GET", "/ready"))
    return response.status_code, response.json()


async def test_ready_names_release_version_and_revision(settings: Settings) -> None:
    assert await ready(settings.model_copy(update={"release": "r12", "app_version": "1.2.3"})) == (
        200,
        {
            "status": "ready",
            "release": "r12",
            "version": "1.2.3",
            "revision": HEAD,
            "checks": {
                "database": {"status": "ok"},
                "schema": {"status": "ok", "revision": HEAD, "head": HEAD},
                "redis": {"status": "ok"},
            },
        },
    )


async def test_through_the_proxy_ready_does_not_say_what_is_wrong(settings: Settings) -> None:
    down = settings.model_copy(update={"database_port": CLOSED_PORT})
    (response,) = await answers(down, ("GET", "/ready"), headers={"X-Forwarded-For": "192.0.2.1"})
    assert response.status_code == 503
    assert set(response.json()) == {"status", "release", "version"}


@pytest.mark.parametrize(("cache_seconds", "asked"), [(60.0, 1), (0.0, 3)])
async def test_one_outcome_serves_all_who_ask_at_the_same_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, cache_seconds: float, asked: int
) -> None:
    run_checks, runs = app.health.run_checks, []

    async def counted(*arguments: Any) -> Any:
        runs.append(arguments)
        return await run_checks(*arguments)

    monkeypatch.setattr(app.health, "run_checks", counted)
    await answers(settings.model_copy(update={"ready_cache_seconds": cache_seconds}), *[("GET", "/ready")] * 3)
    assert len(runs) == asked


async def test_without_database(settings: Settings) -> None:
    down = settings.model_copy(update={"database_port": CLOSED_PORT})
    is_ready, health, listing, creation = await answers(
        down, ("GET", "/ready"), ("GET", "/health"), ("GET", "/items"), ("POST", "/items")
    )
    assert is_ready.status_code == 503
    body = is_ready.json()
    assert (body["status"], body["revision"]) == ("not ready", None)
    assert {name: check["status"] for name, check in body["checks"].items()} == {
        "database": "failed",
        "schema": "failed",
        "redis": "ok",
    }
    assert health.json() == {"status": "ok", "version": down.app_version, "release": down.release}
    for response in (listing, creation):
        assert (response.status_code, response.json()["detail"]) == (
            503,
            "a service that this one needs does not answer",
        )
        assert response.headers["Content-Type"] == "application/problem+json"


async def test_without_redis_items_still_work(settings: Settings) -> None:
    down = settings.model_copy(update={"redis_port": CLOSED_PORT})
    is_ready, created = await answers(down, ("GET", "/ready"), ("POST", "/items"))
    assert is_ready.status_code == 503
    assert {name: check["status"] for name, check in is_ready.json()["checks"].items()} == {
        "database": "ok",
        "schema": "ok",
        "redis": "failed",
    }
    assert created.status_code == 201
    (read,) = await answers(down, ("GET", created.headers["Location"]))
    assert read.json() == created.json()


async def test_before_the_first_migration(other_database: Settings) -> None:
    status, body = await ready(other_database)
    assert (status, body["checks"]["database"]["status"], body["revision"]) == (503, "ok", None)
    assert body["checks"]["schema"] == {
        "status": "failed",
        "detail": "the database has no revision: run `alembic upgrade head`",
        "revision": None,
        "head": HEAD,
    }


async def test_schema_behind(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    later = Revisions(heads=frozenset({"9999"}), known=load_revisions().known | {"9999"})
    monkeypatch.setattr(app.health, "load_revisions", lambda: later)
    status, body = await ready(settings)
    assert (status, body["revision"], body["checks"]["schema"]["head"]) == (503, HEAD, "9999")
    assert body["checks"]["schema"]["detail"] == "the database is behind this image: run `alembic upgrade head`"


async def test_schema_ahead(other_database: Settings) -> None:
    engine = create_engine(other_database)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)"))
        await connection.execute(text("INSERT INTO alembic_version VALUES ('9999')"))
    await engine.dispose()
    status, body = await ready(other_database)
    assert (status, body["revision"]) == (200, "9999")
    assert body["checks"]["schema"] == {"status": "ok", "revision": "9999", "head": HEAD}


@pytest.mark.parametrize(
    ("current", "suits"),
    [
        ([], False),
        (["a"], False),
        (["b"], False),
        (["c"], True),
        (["x"], True),
        (["b", "x"], True),
        (["b", "c"], False),
    ],
)
async def test_revisions(current: list[str], suits: bool) -> None:
    image = Revisions(heads=frozenset({"c"}), known=frozenset({"a", "b", "c"}))
    assert (image.problem(current) is None) is suits
