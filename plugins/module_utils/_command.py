# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands as argument lists, never through a shell.  Private to this collection."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from typing import Dict, Optional, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError

# Long enough for a busy host, short enough that a hanging engine is noticed.
DEFAULT_SECONDS = 60.0
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


class CommandTimeout(ReleaseError):
    """A command did not end in time and was killed."""


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
    """Run a command to its end.

    Args:
        arguments: the program and its arguments.
        seconds: how long it may take.
        cwd: where to run it.
        merge: put standard error into ``out``, in the order it was written.
        stdin: what the command reads.

    Raises:
        CommandTimeout: COMMAND_TIMEOUT with what the command had written.
        ReleaseError: COMMAND_MISSING when there is no such program.
    """
    try:
        done = subprocess.run(
            list(arguments),
            input=stdin.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
            timeout=seconds,
            cwd=cwd,
            env=environment(),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandTimeout(
            "COMMAND_TIMEOUT",
            f"`{' '.join(arguments[:3])} …` did not end within {seconds:g} s",
            "look at the engine: systemctl status docker",
            _text(error.stdout).splitlines(),
        ) from error
    except FileNotFoundError as error:
        raise ReleaseError(
            "COMMAND_MISSING", f"{arguments[0]} is not installed on this host", "run playbooks/provision.yml first"
        ) from error
    return Finished(done.returncode, _text(done.stdout), _text(done.stderr))


def _text(output: Optional[bytes]) -> str:
    return (output or b"").decode("utf-8", errors="replace")
