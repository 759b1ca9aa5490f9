# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an app's last log lines say about its variables."""

from __future__ import annotations

from typing import Sequence

COMMAND_HINT = "correct app_release_command: its program is not in the image, or may not be run"
# What an app or the engine says when a variable is wrong, and that variable: the first that the words have is proposed.
LOG_HINTS = (
    ("executable file not found", COMMAND_HINT),
    ("unable to find user", "correct app_release_user: numbers as uid:gid need no entry in the image's /etc/passwd"),
    ("Minimum memory limit", "raise app_release_memory"),
    ("range of CPUs", "set app_release_cpus to what this host has at most"),
    ("invalid signal", "correct app_release_stop_signal"),
    ("Read-only file system", "let the app write there: app_release_tmpfs for files that may go, or app_release_read_only: false"),
    ("password authentication failed", "give the app its database password: app_secrets"),
    ("could not translate host name", "correct the database's host in app_env, or add its network to app_release_networks"),
    ("Name or service not known", "correct the host that the log names in app_env, or add its network to app_release_networks"),
    ("Temporary failure in name resolution", "correct the host that the log names in app_env, or add its network to app_release_networks"),
    ("No module named", "correct app_release_command, or build the module into the image"),
    ("Field required", "set what the log names in app_env or app_secrets"),
    ("Permission denied", "let the app's user in, or run it as another one: app_release_user"),
    ("Address already in use", "have only one process listen: app_release_command, app_port"),
)
COMMAND_EXITS = (126, 127)


def hint(log: Sequence[str], exit_code: int = 0) -> str:
    """Return what a release's last words say about its variables; empty when they say nothing that is known."""
    if exit_code in COMMAND_EXITS:
        return COMMAND_HINT
    return next((advice for words, advice in LOG_HINTS if any(words in line for line in log)), "")


def describe_exit(code: int) -> str:
    """Return an exit code with what it mostly means.  The engine's own out-of-memory flag is not reliable in nested hosts."""
    return f"{code} (killed; most often for memory: app_release_memory)" if code == 137 else str(code)
