"""Logs as JSON, one line per event, on standard output."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from app.settings import Settings
from app.trace import current_trace


class JsonFormatter(logging.Formatter):
    """Adds the release and the trace of the request at hand; `extra={"fields": {...}}` adds more."""

    def __init__(self, release: str, version: str) -> None:
        super().__init__()
        self._constant = {"release": release, "version": version}

    def format(self, record: logging.LogRecord) -> str:
        trace = current_trace.get()
        event: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "trace_id": trace.trace_id if trace else None,
            "span_id": trace.span_id if trace else None,
            **self._constant,
            "pid": record.process,
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str)


def logging_config(settings: Settings) -> dict[str, Any]:
    """For logging.config.dictConfig and for gunicorn's logconfig_dict; servers' loggers share the one handler."""
    server = {"level": settings.log_level.upper(), "handlers": ["stdout"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter, "release": settings.release, "version": settings.app_version}},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}},
        "root": {"level": settings.log_level.upper(), "handlers": ["stdout"]},
        "loggers": {
            "gunicorn.error": server,
            "uvicorn.error": server,
            # The app writes its own access log: these two would double it, query strings included.
            "gunicorn.access": {"handlers": [], "propagate": False},
            "uvicorn.access": {"handlers": [], "propagate": False},
        },
    }
