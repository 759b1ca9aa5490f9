"""The two questions a deployer asks: does the process live, and may it get traffic."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from app.kinds import kind
from app.resources import CurrentResources, Resources
from app.schema import Revisions, current_revisions, load_revisions

Check = dict[str, Any]
OK: Check = {"status": "ok"}


def failed(detail: str, **members: object) -> Check:
    return {"status": "failed", "detail": detail, **members}


class Readiness:
    """The checks of one worker, run once for all who ask at about the same time."""

    def __init__(self, revisions: Revisions) -> None:
        self._revisions = revisions
        self._lock = asyncio.Lock()
        self._checks: dict[str, Check] = {}
        self._fresh_until = 0.0

    async def checks(self, resources: Resources) -> dict[str, Check]:
        """The outcome of the checks, at most settings.ready_cache_seconds old."""
        async with self._lock:
            if time.monotonic() >= self._fresh_until:
                self._checks = await run_checks(resources, self._revisions)
                self._fresh_until = time.monotonic() + resources.settings.ready_cache_seconds
            return self._checks


def health_router() -> APIRouter:
    router, readiness = APIRouter(tags=["health"]), Readiness(load_revisions())

    @router.get("/health")
    async def health(resources: CurrentResources) -> dict[str, str]:
        """The process answers; nothing else is asked."""
        settings = resources.settings
        return {"status": "ok", "version": settings.app_version, "release": settings.release}

    @router.get("/ready", responses={503: {"description": "Not ready"}})
    async def ready(request: Request, resources: CurrentResources) -> JSONResponse:
        """The database, its schema and Redis suit this release. Only who asks past the proxy is told what does not."""
        checks = await readiness.checks(resources)
        is_ready = all(check["status"] == "ok" for check in checks.values())
        body: dict[str, Any] = {
            "status": "ready" if is_ready else "not ready",
            "release": resources.settings.release,
            "version": resources.settings.app_version,
        }
        if "x-forwarded-for" not in request.headers:
            body |= {"revision": checks["schema"]["revision"], "checks": checks}
        return JSONResponse(body, HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE)

    return router


async def run_checks(resources: Resources, revisions: Revisions) -> dict[str, Check]:
    """All checks at once, each within settings.ready_timeout_seconds."""

    async def attempt(query: Callable[[], Awaitable[Any]]) -> tuple[Any, str | None]:
        try:
            async with asyncio.timeout(resources.settings.ready_timeout_seconds):
                return await query(), None
        except Exception as error:  # whatever it is, the answer is "not ready", with its kind
            return None, kind(error)

    (current, database_error), (_, redis_error) = await asyncio.gather(
        attempt(lambda: current_revisions(resources.engine)), attempt(lambda: resources.redis.ping())
    )
    return {
        "database": failed(database_error) if database_error else OK,
        "schema": _schema_check(current, revisions),
        "redis": failed(redis_error) if redis_error else OK,
    }


def _schema_check(current: list[str] | None, revisions: Revisions) -> Check:
    members = {"revision": ",".join(current or []) or None, "head": ",".join(sorted(revisions.heads))}
    problem = "the database does not answer" if current is None else revisions.problem(current)
    return failed(problem, **members) if problem else {"status": "ok", **members}
