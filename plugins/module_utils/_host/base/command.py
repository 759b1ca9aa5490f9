# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands as argument lists, never through a shell."""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
import time
from dataclasses import dataclass
from threading import Thread
from typing import IO, Dict, Optional, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

# Long enough for a busy host, short enough that a hanging engine is noticed.
DEFAULT_SECONDS = 60.0
# How much is kept of what people read: as much of its beginning as of its end.
SHOWN_BYTES = 256 * 1024
# How much may come of what a program reads, which is nothing unless it is whole.
PARSED_BYTES = 16 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
# What a killed command wrote is in the pipe already.
LAST_WORDS_SECONDS = 0.5
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The one engine that this collection works with, whatever context root's own Docker configuration has chosen.
DOCKER_HOST = "unix:///var/run/docker.sock"
# How a host reaches the world is its own business, and is passed on.
PASSED = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir", "tmpdir", "tz")


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str


# The code of a failure: what a command printed has to be complete, and cannot be kept whole.
TOO_LARGE = "OUTPUT_TOO_LARGE"


class CommandTimeout(ReleaseError):
    """A command did not end in time and was killed."""


class Kept:
    """The beginning and the end of an output, however long it is.

    Args:
        limit: the bytes that are kept.
    """

    def __init__(self, limit: int) -> None:
        self._half = limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self.dropped = 0

    def add(self, chunk: bytes) -> None:
        room = self._half - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        # Not for each chunk: moving the end to the front costs as much as it is long.
        if len(self._tail) > 2 * self._half:
            self._trim()

    def text(self) -> str:
        self._trim()
        gap = f"\n[{self.dropped} bytes were left out here]\n".encode() if self.dropped else b""
        return bytes(self._head + gap + self._tail).decode("utf-8", errors="replace")

    def _trim(self) -> None:
        surplus = max(len(self._tail) - self._half, 0)
        del self._tail[:surplus]
        self.dropped += surplus


def environment(**more: str) -> Dict[str, str]:
    """Return the environment that every command gets: nothing in a login's own (COMPOSE_FILE, DOCKER_CONTEXT, PGHOST …) leads it astray.

    Args:
        more: variables of this command alone.
    """
    passed = {name: value for name, value in os.environ.items() if name.lower() in PASSED}
    home = pwd.getpwuid(os.geteuid()).pw_dir
    return {**passed, "PATH": PATH, "HOME": home, "LANG": "C.UTF-8", "DOCKER_HOST": DOCKER_HOST, **more}


def run(
    arguments: Sequence[str], seconds: float = DEFAULT_SECONDS, cwd: Optional[str] = None, merge: bool = False, stdin: str = ""
) -> Finished:
    """Run a command to its end.  What it prints is read to its end, but only so much of it is kept.

    Args:
        arguments: the program and its arguments.
        seconds: how long it may take.
        cwd: where to run it.
        merge: put standard error into ``out``, in the order it was written, for people: when it is long, its middle is left out.
            Without this ``out`` is for programs and is complete.
        stdin: what the command reads.

    Raises:
        CommandTimeout: COMMAND_TIMEOUT with what the command had written.
        ReleaseError: COMMAND_MISSING when there is no such program, OUTPUT_TOO_LARGE when ``out`` cannot be kept whole.
    """
    ends = time.monotonic() + seconds
    out, err = Kept(SHOWN_BYTES if merge else PARSED_BYTES), Kept(SHOWN_BYTES)
    try:
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            list(arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
            cwd=cwd,
            env=environment(),
        )
    except FileNotFoundError as error:
        raise ReleaseError(
            "COMMAND_MISSING", f"{arguments[0]} is not installed on this host", "run playbooks/provision.yml first"
        ) from error
    ended = _communicate(process, ends, stdin, out, err)
    printed = out.text()
    if not ended:
        raise CommandTimeout(
            "COMMAND_TIMEOUT",
            f"`{' '.join(arguments[:3])} …` did not end within {seconds:g} s",
            "look at the engine: systemctl status docker",
            printed.splitlines(),
        )
    if out.dropped and not merge:
        raise ReleaseError(
            TOO_LARGE,
            f"`{' '.join(arguments[:3])} …` printed more than {PARSED_BYTES // 1024 // 1024} MB",
            "find what prints so much: the image's command, or a database with very many objects",
        )
    return Finished(process.returncode, printed, err.text())


def _communicate(process: subprocess.Popen[bytes], ends: float, stdin: str, out: Kept, err: Kept) -> bool:
    """Feed a process and read what it prints, until it has ended; kill it and return False when it has not by then."""
    threads = [
        Thread(target=_read, args=(pipe, kept), daemon=True) for pipe, kept in ((process.stdout, out), (process.stderr, err)) if pipe
    ]
    threads.append(Thread(target=_write, args=(process.stdin, stdin.encode()), daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(ends - time.monotonic(), 0.0))
    try:
        process.wait(max(ends - time.monotonic(), 0.0))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        for thread in threads:
            thread.join(LAST_WORDS_SECONDS)
        return False
    # Its children may still have the pipes.
    return not any(thread.is_alive() for thread in threads)


def _read(pipe: IO[bytes], kept: Kept) -> None:
    with pipe:
        for chunk in iter(lambda: os.read(pipe.fileno(), CHUNK_BYTES), b""):
            kept.add(chunk)


def _write(pipe: IO[bytes], content: bytes) -> None:
    # What the command does not want to read is no failure of ours.
    with contextlib.suppress(BrokenPipeError), pipe:
        pipe.write(content)
