"""Errors as application/problem+json (RFC 9457). They never repeat what the client sent."""

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from redis.exceptions import RedisError
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from app.items.feed import TooManySubscriptionsError
from app.kinds import kind

logger = logging.getLogger(__name__)


def problem(
    status: int, detail: str | None = None, headers: dict[str, str] | None = None, **members: object
) -> JSONResponse:
    """A response with `status`; `members` are added to its body."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail or title, **members}
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


async def on_http_exception(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, error.detail, dict(error.headers or {}))


async def on_invalid_request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [{"location": list(item["loc"]), "message": item["msg"]} for item in error.errors()]
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "the request is not valid", errors=errors)


async def on_dependency_failure(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, DatabaseError) and not isinstance(error, OperationalError):
        raise error  # the database answers: a bug of ours, or a missing migration
    logger.warning("a dependency failed: %s", kind(error))
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "a service that this one needs does not answer")


async def on_too_many_waiting(_: Request, error: Exception) -> JSONResponse:
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many clients wait for items", {"Retry-After": "5"})


def add_problem_handlers(app: FastAPI) -> None:
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(TooManySubscriptionsError, on_too_many_waiting)
    for error in (DBAPIError, PoolTimeoutError, OSError, RedisError):
        app.add_exception_handler(error, on_dependency_failure)
