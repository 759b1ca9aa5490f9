"""Counts what happens to every request."""

import asyncio
import resource
import time
from array import array
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any

from lab.probe.messages import Reply, Request
from lab.probe.report import Audit, Failure, Kind, Release, Report

MAX_FAILURES = 50
NO_AUDIT = Audit()
# Only answers that are due at once can tell how long there was none.
PROMPT_KINDS = {"keepalive", "fresh", "http2"}


@dataclass(slots=True)
class _Tally:
    requests: int = 0
    failed: int = 0
    times_ms: array[float] = field(default_factory=lambda: array("d"))

    def kind(self) -> Kind:
        times = sorted(self.times_ms)
        if not times:
            return Kind(self.requests, self.failed, None, None, None)
        p50, p99 = (round(times[min(len(times) - 1, int(len(times) * share))], 2) for share in (0.5, 0.99))
        return Kind(self.requests, self.failed, p50, p99, round(times[-1], 2))


class Recorder:
    """Collects outcomes; create it at the start of the load, inside the event loop."""

    def __init__(self, run: str, release_header: str) -> None:
        self.run = run
        self.stream_reconnects = 0
        self.stream_gap: float | None = None
        self.answering: set[str] = set()  # kinds with at least one success
        self._release_header = release_header.lower()
        self._clock = asyncio.get_running_loop().time
        self._start = self._last_ok = self._clock()
        self._started_unix = time.time()
        self._cpu_start = _cpu_seconds()
        self._seconds = 0.0
        self._cpu_seconds = 0.0
        self._gap = (0.0, self._start)  # seconds, begin
        self._kinds: defaultdict[str, _Tally] = defaultdict(_Tally)
        self._methods: defaultdict[str, _Tally] = defaultdict(_Tally)
        self._statuses: Counter[str] = Counter()
        self._releases: dict[str, Release] = {}
        self._failures: list[Failure] = []

    def success(self, kind: str, request: Request, reply: Reply, took: float) -> None:
        """Record a complete and right reply that took `took` seconds."""
        tally = self._count(kind, request, reply)
        tally.times_ms.append(took * 1000)
        self.answering.add(kind)
        if kind in PROMPT_KINDS:
            now = self._clock()
            self._gap = max(self._gap, (now - self._last_ok, self._last_ok))
            self._last_ok = now

    def failure(self, kind: str, request: Request, reply: Reply | None, error: str) -> None:
        """Record a request without a complete and right reply; `reply` is what came of it."""
        self._count(kind, request, reply).failed += 1
        self._methods[request.method].failed += 1
        if len(self._failures) < MAX_FAILURES:
            at = round(self._clock() - self._start, 3)
            status, release = (reply.status, self._release(reply)) if reply else (None, None)
            self._failures.append(Failure(at, kind, request.method, request.path, error, status, release))

    def stop(self) -> None:
        """Note that no more requests are started."""
        now = self._clock()
        self._seconds = now - self._start
        self._cpu_seconds = _cpu_seconds() - self._cpu_start
        self._gap = max(self._gap, (now - self._last_ok, self._last_ok))

    def report(self, audit: Audit = NO_AUDIT, *, refused_retried: int, idle_reconnects: int) -> Report:
        """Put the report together, after stop."""
        seconds = max(self._seconds, 0.001)
        requests = sum(tally.requests for tally in self._kinds.values())
        failed = sum(tally.failed for tally in self._kinds.values())
        return Report(
            run=self.run,
            started_unix=round(self._started_unix, 3),
            seconds=round(seconds, 3),
            requests=requests,
            failed=failed,
            ok=requests - failed,
            rate=round(requests / seconds, 1),
            longest_gap_ms=round(self._gap[0] * 1000, 1),
            longest_gap_at=round(self._gap[1] - self._start, 3),
            stream_gap_ms=None if self.stream_gap is None else round(self.stream_gap * 1000, 1),
            refused_retried=refused_retried,
            idle_reconnects=idle_reconnects,
            stream_reconnects=self.stream_reconnects,
            cpu_share=round(self._cpu_seconds / seconds, 3),
            **self._details(),
            **asdict(audit),
        )

    def _details(self) -> dict[str, Any]:
        return {
            "by_kind": {name: tally.kind() for name, tally in self._kinds.items()},
            "by_method": {name: {"requests": t.requests, "failed": t.failed} for name, t in self._methods.items()},
            "statuses": dict(self._statuses),
            "releases": self._releases,
            "failures": self._failures,
        }

    def _count(self, kind: str, request: Request, reply: Reply | None) -> _Tally:
        self._methods[request.method].requests += 1
        self._kinds[kind].requests += 1
        if reply:
            self._statuses[str(reply.status)] += 1
            if release := self._release(reply):
                self._note_release(release)
        return self._kinds[kind]

    def _release(self, reply: Reply) -> str | None:
        return reply.headers.get(self._release_header)

    def _note_release(self, name: str) -> None:
        now = round(self._clock() - self._start, 3)
        before = self._releases.get(name, Release(now, now, 0))
        self._releases[name] = Release(before.first, now, before.count + 1)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
