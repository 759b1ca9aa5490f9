import time

import pytest
from pydantic import SecretStr

from app.settings import Settings
from app.startup import DependencyUnavailableError, wait_for, wait_for_dependencies
from tests.conftest import StartServer

pytestmark = pytest.mark.anyio


async def answer() -> None:
    pass


async def refuse() -> None:
    raise ConnectionRefusedError("user:password@host")


async def test_a_dependency_that_comes_up_late_is_waited_for() -> None:
    tries = 0

    async def third_time_lucky() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            await refuse()

    await wait_for({"database": third_time_lucky, "redis": answer}, 5)
    assert tries == 3


async def test_the_wait_is_bounded_and_names_what_is_missing() -> None:
    started = time.monotonic()
    with pytest.raises(DependencyUnavailableError) as caught:
        await wait_for({"database at db:5432": refuse, "redis": answer}, 0.5)
    assert time.monotonic() - started < 1
    assert str(caught.value) == "not reachable within 0.5 s: database at db:5432: ConnectionRefusedError"


async def test_a_refused_password_is_told_apart(settings: Settings) -> None:
    wrong = {"database_password": SecretStr("wrong"), "redis_password": SecretStr("wrong"), "startup_wait_seconds": 0}
    with pytest.raises(DependencyUnavailableError) as caught:
        await wait_for_dependencies(settings.model_copy(update=wrong))
    assert "InvalidPasswordError; redis at" in str(caught.value)
    assert str(caught.value).endswith(": AuthenticationError")


def test_the_server_ends_with_a_message_and_does_not_loop(start_server: StartServer) -> None:
    server = start_server(
        wait_for=None, DATABASE_HOST="127.0.0.1", DATABASE_PORT="1", REDIS_PORT="1", STARTUP_WAIT_SECONDS="1"
    )
    assert server.wait(10) == 1
    events = server.events()
    assert events[-1]["level"] == "critical"
    assert events[-1]["message"].startswith("shop cannot start: not reachable within 1 s: database at 127.0.0.1:1: ")
    assert "redis at " in events[-1]["message"]
    assert not any("Booting worker" in event["message"] for event in events)
    assert not server.socket.exists()
