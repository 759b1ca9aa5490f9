"""Prometheus metrics of all workers."""

import os
from collections.abc import Callable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    values,
)
from starlette.responses import Response

from app.settings import Settings

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LATENCY_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25)


def _process() -> str:
    return os.environ.get("WORKER_SLOT") or str(os.getpid())


class Metrics:
    """One worker's counters; with PROMETHEUS_MULTIPROC_DIR set, `render` adds up those of all workers."""

    def __init__(self, settings: Settings) -> None:
        self._shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        if self._shared:
            # The library's documented way to name files by something other than the pid; see gunicorn.conf.py.
            make_value: Callable[[Callable[[], str]], type] = values.MultiProcessValue
            values.ValueClass = make_value(_process)
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter("http_requests", "Requests answered.", labels, registry=self._registry)
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Time from request to the end of the response.",
            labels,
            buckets=_LATENCY_SECONDS,
            registry=self._registry,
        )
        info = Gauge(
            "app_release_info",
            "Always 1; the labels name the running release.",
            ("release", "version"),
            multiprocess_mode="max",
            registry=self._registry,
        )
        info.labels(settings.release, settings.app_version).set(1)

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Record one request; `route` is the template, never the path, so that labels stay few."""
        labels = (method if method in _METHODS else "OTHER", route, str(status))
        self._requests.labels(*labels).inc()
        self._seconds.labels(*labels).observe(seconds)

    def render(self) -> Response:
        registry = self._registry
        if self._shared:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
