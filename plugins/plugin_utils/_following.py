# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Steps of a call shown while it runs: read from its file on the host, over the SSH connection that is there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

# What ends sooner needs no report. The connection is there by then as well.
BEGIN_SECONDS = 1.0
# Steps that end shortly after one another share a line.
LINE_SECONDS = 1.0
# The result does not wait for a connection that does not end.
END_SECONDS = 5.0
_DIRECTORY = "/run/fairlead-runs"

Show = Callable[[str, str], None]


def command(run: str) -> str:
    """Return what prints the file of a run's present call, line by line, until the call has ended."""
    return f'for f in {_DIRECTORY}/{run}.*; do [ -e "$f" ] && exec tail -n +1 -f -s 0.5 --pid="${{f##*.}}" "$f"; done'


def said(events: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield what is shown of events: a stage, and its steps."""
    lines: dict[str, list[str]] = {}
    for event in events:
        took = f"… {event['running']} s" if "running" in event else f"{event['seconds']:.1f} s"
        lines.setdefault(event["stage"], []).append(f"{event['step']} {took}{' failed' if event.get('failed') else ''}")
    for stage, steps in lines.items():
        yield stage, " · ".join(steps)


class Follower:
    """Shows the steps of a call.

    Args:
        words: what prints them on the host, as a local command.
        show: is given a stage and its steps.
    """

    def __init__(self, words: Sequence[bytes | str], show: Show) -> None:
        self._words = words
        self._show = show
        self._events: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._ended = Event()
        # Steps that were shown; of the others the result tells.
        self.told = 0

    def run(self) -> None:
        """Show steps until the call has ended."""
        if self._ended.wait(BEGIN_SECONDS):
            return
        with subprocess.Popen(
            self._words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            reader = Thread(target=self._read, args=(process.stdout,), daemon=True)
            reader.start()
            while not self._ended.wait(LINE_SECONDS):
                self._tell()
            process.terminate()
            reader.join(END_SECONDS)

    def end(self) -> None:
        """The call has ended."""
        self._ended.set()

    def _read(self, lines: Iterable[str] | None) -> None:
        for line in lines or ():
            try:
                event = json.loads(line)
                event["stage"], event["step"]
            except (ValueError, KeyError, TypeError):  # a banner, or a line that was cut
                continue
            self._events.put(event)

    def _tell(self) -> None:
        events = []
        while True:
            try:
                events.append(self._events.get_nowait())
            except Empty:
                break
        for stage, steps in said(events):
            self._show(stage, steps)
        self.told += sum("seconds" in event for event in events)


@contextmanager
def following(words: Sequence[bytes | str] | None, show: Show) -> Iterator[Follower | None]:
    """Show the steps of the call that is made meanwhile; nothing where there is no command to read them."""
    if words is None:
        yield None
        return
    follower = Follower(words, show)
    thread = Thread(target=follower.run, daemon=True)
    thread.start()
    try:
        yield follower
    finally:
        follower.end()
        thread.join()
