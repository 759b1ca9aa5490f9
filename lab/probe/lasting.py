"""Requests that last: long polls and the event stream, which a release switch must not cut."""

import asyncio
from dataclasses import dataclass
from functools import partial

from lab.probe.client_http1 import send_fresh
from lab.probe.messages import Call, Failed, Reply, Request, expect_status
from lab.probe.recorder import Recorder
from lab.probe.schedule import attempt, sleep_unless
from lab.probe.target import Target

MIN_SPACING = 0.25  # seconds between two starts, so that a broken server is not flooded
MAX_SILENCE = 10.0  # seconds; the app's stream beats every second
EVENTS = Request("GET", "/items/events")


async def keep_polling(recorder: Recorder, target: Target, stop: asyncio.Event, seconds: float, delay: float) -> None:
    """Keep one long poll in flight, the first after `delay` seconds; the last one is waited for."""
    clock = asyncio.get_running_loop().time
    await sleep_unless(stop, delay)
    while not stop.is_set():
        started = clock()

        def check(reply: Reply, started: float = started) -> None:
            expect_status(reply, 204)
            if (took := clock() - started) < seconds * 0.8:
                raise Failed(f"answered after {took:.1f} s, expected about {seconds:g} s")

        call = Call(Request("GET", f"/items/wait?reference=none&seconds={seconds:g}"), check)
        await attempt(recorder, "long", call, partial(send_fresh, target), started)
        await sleep_unless(stop, started + MIN_SPACING - clock())


@dataclass(slots=True)
class _Opened:
    """The head of a stream's reply and when it came, in loop time."""

    reply: Reply | None = None
    at: float = 0.0


class EventStream:
    """Keeps one event stream open; cancel `follow` to end it."""

    def __init__(self, recorder: Recorder, target: Target, max_silence: float = MAX_SILENCE) -> None:
        self._recorder = recorder
        self._target = target
        self._max_silence = max_silence
        self._clock = asyncio.get_running_loop().time
        self._ended: float | None = None

    async def follow(self, stop: asyncio.Event) -> None:
        """Read, and open the stream again whenever it ends."""
        while not stop.is_set():
            started, opened = self._clock(), _Opened()
            error = await self._read(started, opened)
            if error is None:
                self._recorder.stream_reconnects += 1
            else:
                self._recorder.failure("stream", EVENTS, opened.reply, error)
            self._ended = self._clock()
            await sleep_unless(stop, started + MIN_SPACING - self._ended)

    async def _read(self, started: float, opened: _Opened) -> str | None:
        """Read one stream to its end; return what was wrong with it."""
        try:
            await self._receive(opened)
        except TimeoutError:
            return f"silent for {self._max_silence:.0f} s"
        except (Failed, OSError) as error:
            return f"{type(error).__name__}: {error}"
        except asyncio.CancelledError:
            self._succeed(started, opened)  # ended by us
            raise
        self._succeed(started, opened)
        return None

    async def _receive(self, opened: _Opened) -> None:
        async with asyncio.timeout(self._max_silence) as silence:

            def progress(reply: Reply) -> None:
                silence.reschedule(self._clock() + self._max_silence)
                if opened.reply is None:
                    opened.reply, opened.at = reply, self._clock()
                    self._note_gap(opened.at)

            expect_status(await send_fresh(self._target, EVENTS, progress), 200)

    def _note_gap(self, now: float) -> None:
        if self._ended is not None:
            self._recorder.stream_gap = max(self._recorder.stream_gap or 0.0, now - self._ended)

    def _succeed(self, started: float, opened: _Opened) -> None:
        if opened.reply:
            self._recorder.success("stream", EVENTS, opened.reply, opened.at - started)
