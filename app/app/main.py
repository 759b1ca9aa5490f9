"""The application: gunicorn calls `create_app()` in each worker."""

import logging.config
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from fastapi_swagger import patch_fastapi
from starlette.responses import Response

from app.health import health_router
from app.items.router import items_router
from app.logging import logging_config
from app.metrics import Metrics
from app.middleware.access import AccessMiddleware
from app.middleware.errors import ErrorMiddleware
from app.middleware.identity import IdentityMiddleware
from app.middleware.limits import BodyLimitMiddleware, TimeLimitMiddleware
from app.problem import add_problem_handlers
from app.resources import open_resources
from app.settings import Settings, settings_or_exit
from app.shutdown import Shutdown

# FastAPI's own spans and metrics have nowhere to go here: traces and counts are made by the middleware.
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}

# FastAPI's own pages load their scripts from a CDN, which could then act in the name of whoever reads them.
NO_PAGES_FROM_ELSEWHERE: dict[str, Any] = {"docs_url": None, "redoc_url": None, "swagger_ui_oauth2_redirect_url": None}


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service with its own pools; without `settings` they are read, and the process ends when they are wrong."""
    settings = settings or settings_or_exit()
    logging.config.dictConfig(logging_config(settings))
    metrics = Metrics(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with open_resources(settings) as resources:
            app.state.resources = resources
            yield

    app = FastAPI(
        title="shop", version=settings.app_version, lifespan=lifespan, telemetry=NO_TELEMETRY, **NO_PAGES_FROM_ELSEWHERE
    )
    app.state.shutdown = Shutdown()
    app.include_router(health_router())
    app.include_router(items_router(settings))

    @app.get("/metrics", include_in_schema=False)
    def scrape() -> Response:
        return metrics.render()

    # The same page, with the scripts that the package brings.
    patch_fastapi(app, redirect_from_root_to_docs=False, swagger_ui_parameters={})
    add_problem_handlers(app)
    _add_middleware(app, settings, metrics)
    return app


def _add_middleware(app: FastAPI, settings: Settings, metrics: Metrics) -> None:
    """The last one added is the outermost: each error below still gets its headers and its log line."""
    app.add_middleware(BodyLimitMiddleware, limit_bytes=settings.body_limit_bytes)
    app.add_middleware(TimeLimitMiddleware, limit_seconds=settings.request_timeout_seconds)
    app.add_middleware(ErrorMiddleware)
    app.add_middleware(AccessMiddleware, metrics=metrics)
    app.add_middleware(IdentityMiddleware, release=settings.release)
