"""The probe beside other work: a process of its own, so that neither disturbs the other."""

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.probe.options import MAX_SECONDS
from lab.probe.report import Report

STOP_LIMIT = 180.0  # seconds: replies in flight (30), audit (120) and some
ROOT = Path(__file__).resolve().parents[2]


class ProbeError(RuntimeError):
    """The probe could not measure; the text has what it said."""


class RunningProbe:
    """A probe process; `report` is there once it has been stopped."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self._report_file = folder / "report.json"
        self._errors = folder / "stderr"
        self._report: Report | None = None
        command = [sys.executable, "-m", "lab.probe", *arguments, "--report", str(self._report_file)]
        with self._errors.open("wb") as errors:
            # A session of its own: Ctrl-C in the terminal must reach it as our SIGTERM, once the caller is done.
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )

    @property
    def report(self) -> Report:
        """The report of the stopped probe. Raises ProbeError while it still runs."""
        if self._report is None:
            raise ProbeError("the probe has no report yet: read it after the with block")
        return self._report

    def wait_answering(self, seconds: float) -> None:
        """Wait until requests are answered with success. Raises ProbeError when they are not in that many seconds."""
        assert self._process.stdout
        readable, _, _ = select.select([self._process.stdout], [], [], seconds)
        if not readable:
            self.stop()
            failures = "; ".join(failure.error for failure in self.report.failures[:3])
            raise ProbeError(f"no successful answers of every kind in {seconds:g} s: {failures or 'none at all'}")
        if not os.read(self._process.stdout.fileno(), 100).startswith(b"answering"):
            raise ProbeError(self._died())

    def stop(self) -> None:
        """Stop the load, wait for the probe's audit and read its report. Raises ProbeError when it gave none."""
        ended_early = self._process.poll() is not None
        if not ended_early:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise ProbeError(f"the probe did not end in {STOP_LIMIT:.0f} s and was killed") from error
        if self._process.returncode != 0:
            raise ProbeError(self._died())
        self._report = Report.from_json(self._report_file.read_text())
        if ended_early:
            seconds = self._report.seconds
            raise ProbeError(f"the probe ended by itself after {seconds:.0f} s, before the work it was to watch")

    def kill(self) -> None:
        """End the process at once, if it still runs."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def _died(self) -> str:
        self.kill()
        said = self._errors.read_text(errors="replace").strip()[-4000:]
        return f"the probe ended with status {self._process.returncode}: {said or 'it said nothing'}"


@contextmanager
def running(
    *,
    connect: str,
    host: str,
    ca: Path,
    rate: float = 200,
    profile: str = "shop",
    paths: Sequence[str] = (),
    release_header: str = "X-Release",
    audit: bool = True,
    long_poll: float = 5,
    max_seconds: float = MAX_SECONDS,
    ready_seconds: float = 30,
) -> Iterator[RunningProbe]:
    """Keep load on `connect` (IP:PORT) during the with block; afterwards the yielded probe has the report.

    The block begins when every kind of short requests has been answered with success. Raises ProbeError when that
    takes over `ready_seconds`, when the probe dies, or when the block takes over `max_seconds` and so lost its load.
    """
    arguments = [f"--connect={connect}", f"--host={host}", f"--ca={ca.resolve()}", f"--rate={rate}"]
    arguments += [f"--profile={profile}", *(f"--path={path}" for path in paths), f"--release-header={release_header}"]
    arguments += [f"--duration={max_seconds}", f"--long-poll={long_poll}", *([] if audit else ["--no-audit"])]
    with tempfile.TemporaryDirectory(prefix="probe-") as folder:
        probe = RunningProbe(arguments, Path(folder))
        try:
            probe.wait_answering(ready_seconds)
            yield probe
            probe.stop()
        finally:
            probe.kill()
