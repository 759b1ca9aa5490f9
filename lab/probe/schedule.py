"""Open loop: requests are started by the clock, whether or not earlier ones were answered."""

import asyncio
from collections.abc import Awaitable, Callable

from lab.probe.messages import Call, Failed, Reply, Request
from lab.probe.recorder import Recorder

REPLY_LIMIT = 30.0  # seconds from the moment a request is due to the end of its reply

Sender = Callable[[Request], Awaitable[Reply]]


async def start_by_clock(rate: float, stop: asyncio.Event, start_one: Callable[[float], object]) -> None:
    """Call start_one(due) `rate` times a second, `due` in loop time, until `stop` is set. Late starts are caught up."""
    clock = asyncio.get_running_loop().time
    begin, number = clock(), 0
    while not stop.is_set():
        due = begin + number / rate
        if (early := due - clock()) > 0:
            await sleep_unless(stop, early)
            continue
        start_one(due)
        number += 1


async def sleep_unless(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but at most until `stop` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def attempt(recorder: Recorder, kind: str, call: Call, send: Sender, due: float) -> bool:
    """Make one request and record what came of it; return whether that was success."""
    reply: Reply | None = None
    try:
        async with asyncio.timeout_at(due + REPLY_LIMIT):
            reply = await send(call.request)
        call.check(reply)
    except TimeoutError:
        recorder.failure(kind, call.request, reply, f"no complete reply in {REPLY_LIMIT:.0f} s")
    except Failed as error:
        recorder.failure(kind, call.request, reply, str(error))
    except OSError as error:  # refused, reset, unreachable; TLS errors too
        recorder.failure(kind, call.request, reply, f"{type(error).__name__}: {error}")
    else:
        recorder.success(kind, call.request, reply, asyncio.get_running_loop().time() - due)
        return True
    return False
