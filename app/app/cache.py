"""The connection to Redis."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.settings import Settings


def create_redis(settings: Settings) -> Redis:
    """The pool of one worker; connects at first use.

    One retry, at once: it replaces a connection that a restarted Redis closed, and does not add to an outage.
    """
    password = settings.redis_password
    return Redis(
        host=settings.redis_host,
        port=settings.redis_port,
        password=password.get_secret_value() if password else None,
        client_name=f"shop-{settings.release}",
        decode_responses=True,
        socket_timeout=settings.redis_timeout_seconds,
        socket_connect_timeout=settings.redis_timeout_seconds,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 1),
    )
