"""One run: load, drain, audit, report."""

import asyncio
import secrets
from collections.abc import Callable
from functools import partial
from itertools import cycle

from lab.probe.audit import audit
from lab.probe.client_http1 import KeepAlivePool, send_fresh
from lab.probe.client_http2 import Http2Pool
from lab.probe.lasting import EventStream, keep_polling
from lab.probe.ledger import Ledger
from lab.probe.options import Options
from lab.probe.recorder import PROMPT_KINDS, Recorder
from lab.probe.report import Audit, Report
from lab.probe.schedule import Sender, attempt, start_by_clock
from lab.probe.workload import KINDS, Foreign, Shop, Workload

LONG_POLLS = 2


class Load:
    """One run; `on_answering` is called once, when each kind of short requests has been answered with success."""

    def __init__(self, options: Options, on_answering: Callable[[], None] = lambda: None) -> None:
        self._options = options
        self._on_answering: Callable[[], None] | None = on_answering
        self._ledger = Ledger(secrets.token_hex(4))
        self._workload: Workload = Shop(self._ledger) if options.profile == "shop" else Foreign(options.paths)
        self._kept = KeepAlivePool(options.target)
        self._http2 = Http2Pool(options.target)
        self._senders: dict[str, Sender] = {
            "keepalive": self._kept.send,
            "fresh": partial(send_fresh, options.target),
            "http2": self._http2.send,
        }

    async def run(self, stop: asyncio.Event) -> Report:
        """Send load until `stop` is set or the duration is over, wait for what is in flight, audit and report."""
        recorder = Recorder(self._ledger.run, self._options.release_header)
        timer = asyncio.get_running_loop().call_later(self._options.duration, stop.set)
        await self._send_load(recorder, stop)
        timer.cancel()
        counts = {  # before the audit: it uses the same connections
            "refused_retried": self._http2.refused_retried,
            "idle_reconnects": self._kept.idle_closed + self._http2.idle_closed,
        }
        audited = self._options.audit and self._options.profile == "shop"
        findings = await audit(self._kept.send, self._ledger) if audited else Audit()
        self._kept.close()
        self._http2.close()
        return recorder.report(findings, **counts)

    async def _send_load(self, recorder: Recorder, stop: asyncio.Event) -> None:
        kinds = cycle(KINDS)
        async with asyncio.TaskGroup() as tasks:  # ends when all that is in flight has ended
            streams = self._start_lasting(recorder, stop, tasks) if self._options.profile == "shop" else []
            await start_by_clock(
                self._options.rate,
                stop,
                lambda due: tasks.create_task(self._send_one(recorder, next(kinds), due)),
            )
            recorder.stop()
            for stream in streams:
                stream.cancel()

    def _start_lasting(self, recorder: Recorder, stop: asyncio.Event, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        target, seconds = self._options.target, self._options.wait_seconds
        for number in range(LONG_POLLS):
            tasks.create_task(keep_polling(recorder, target, stop, seconds, delay=number * seconds / LONG_POLLS))
        return [tasks.create_task(EventStream(recorder, target).follow(stop))]

    async def _send_one(self, recorder: Recorder, kind: str, due: float) -> None:
        await attempt(recorder, kind, self._workload.next(kind), self._senders[kind], due)
        if self._on_answering and recorder.answering >= PROMPT_KINDS:
            self._on_answering()
            self._on_answering = None
