"""A real gunicorn on a unix socket, as in the image."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from app.probe import connection

ROOT = Path(__file__).parent.parent
READY_SECONDS = 15


class GunicornServer:
    def __init__(self, environment: dict[str, str]) -> None:
        # Not pytest's tmp_path: a unix socket's path holds at most 107 characters.
        self._directory = tempfile.TemporaryDirectory(prefix="shop-")
        self.socket = Path(self._directory.name) / "api.sock"
        self.metrics = Path(self._directory.name) / "metrics"
        self.environment = os.environ | {
            "BIND": f"unix:{self.socket}",
            "PROMETHEUS_MULTIPROC_DIR": str(self.metrics),
            "RELEASE": "r7",
            "WEB_CONCURRENCY": "1",
            **environment,
        }
        self._log = (Path(self._directory.name) / "log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py"],
            cwd=ROOT,
            env=self.environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.terminate()
            self.wait()
        self._log.close()
        self._directory.cleanup()

    def client(self, timeout_seconds: float = 10) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=str(self.socket))
        return httpx.Client(transport=transport, base_url="http://shop", timeout=timeout_seconds)

    def wait_for(self, path: str) -> None:
        """Return once `path` is answered with 200."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with closing(connection(self.environment["BIND"])) as client, suppress(OSError):
                client.request("GET", path)
                if client.getresponse().status == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"no 200 from {path}:\n{self.output()}")

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float = 40) -> int:
        return self.process.wait(seconds)

    def output(self) -> str:
        return Path(self._log.name).read_text()

    def events(self) -> list[dict[str, Any]]:
        """The log, one object per line; fails when a line is anything else."""
        return [json.loads(line) for line in self.output().splitlines()]
