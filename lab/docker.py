"""The Docker CLI as a function: argument lists in, text out."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

LABEL = "fairlead.lab"
HASH_LABEL = "fairlead.lab.hash"


class LabError(Exception):
    """Something in the lab cannot go on; the message says what, where and what to do."""


def attempt(
    command: Sequence[str], *, stdin: str = "", timeout: float = 300, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run an argument list and return its exit code and output. `timeout` is in seconds.

    Raises:
        LabError: the program is missing or took longer than `timeout`.
    """
    try:
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env={**os.environ, **(environment or {})},
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"{command[0]} is not installed; run bin/demo or bin/test first, they set it up") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{' '.join(command[:4])} …` took longer than {timeout:.0f} s") from error


def run(command: Sequence[str], *, stdin: str = "", timeout: float = 300, environment: Mapping[str, str] | None = None) -> str:
    """Run an argument list that must succeed and return its standard output without the last line's end.

    Raises:
        LabError: it failed; the message ends with the last lines of its output.
    """
    done = attempt(command, stdin=stdin, timeout=timeout, environment=environment)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-25:])
        raise LabError(f"`{' '.join(command)}` failed with exit code {done.returncode}:\n{tail}")
    return done.stdout.rstrip("\n")


def docker(*arguments: str, stdin: str = "", timeout: float = 300, environment: Mapping[str, str] | None = None) -> str:
    """Run one Docker command that must succeed (see `run`)."""
    return run(["docker", *arguments], stdin=stdin, timeout=timeout, environment=environment)


def inspect(kind: str, name: str) -> dict[str, Any] | None:
    """Return what Docker knows of an object (`kind`: image, container, network, volume), or None where there is none.

    Raises:
        LabError: the engine does not answer.
    """
    done = attempt(["docker", kind, "inspect", name])
    if done.returncode == 0:
        found: dict[str, Any] = json.loads(done.stdout)[0]
        return found
    if "no such" in done.stderr.lower() or "not found" in done.stderr.lower():
        return None
    raise LabError(f"Docker Engine does not answer: {done.stderr.strip()}")


def labels(image: Mapping[str, Any]) -> dict[str, str]:
    """Return an inspected image's or container's labels."""
    found: dict[str, str] = image["Config"].get("Labels") or {}
    return found
