"""A playbook run as a user runs it, against the lab's inventory, and what it printed."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import hosts, inventory, paths
from lab.timings import timed

PLAY_SECONDS = 900


@dataclass(frozen=True)
class Play:
    """A finished run of a playbook: exit code and everything it printed."""

    code: int
    output: str

    @property
    def unfolded(self) -> str:
        """The output with each stretch of white space as one space: Ansible folds long lines where it likes."""
        return " ".join(self.output.split())

    @property
    def changed(self) -> int:
        """Tasks that changed something, over all hosts."""
        return sum(int(number) for number in re.findall(r"changed=(\d+)", self.output))

    def succeeded(self) -> "Play":
        """Return the play itself. Raises AssertionError with its output when it failed."""
        assert self.code == 0, f"exit code {self.code}\n{self.output}"
        return self

    def failed_with(self, code: str) -> "Play":
        """Return the play itself. Raises AssertionError unless it failed with this failure code."""
        assert self.code != 0, f"it did not fail\n{self.output}"
        assert f"{code}: " in self.output, f"it failed, but not with {code}\n{self.output}"
        return self


def invocation(
    playbook: str,
    *arguments: str,
    host: str = hosts.DEFAULT,
    vault_password: Path = paths.VAULT_PASSWORD,
    yielding: bool = False,
) -> tuple[list[str], dict[str, str]]:
    """Return the words and the environment that run a playbook as a user does, against the lab's inventory.

    Args:
        playbook: its name, without folder and suffix.
        arguments: more words for ansible-playbook.
        host: the one whose inventory is used.
        vault_password: file with the vault's password.
        yielding: let other processes go first. A controller is a machine of its own; here it shares the cores with the
            host, whose users are what a story is about.
    """
    command = ["ansible-playbook", "-i", str(inventory.folder_of(host)), "--vault-password-file", str(vault_password)]
    environment = {"ANSIBLE_CONFIG": str(paths.REPOSITORY / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    words = [*(["nice", "-n", "10"] if yielding else []), *command, f"playbooks/{playbook}.yml", *arguments]
    return words, {**os.environ, **environment}


def play(playbook: str, *arguments: str, **options: Any) -> Play:
    """Run a playbook to its end; `options` as for `invocation`."""
    command, environment = invocation(playbook, *arguments, **options)
    with timed("playbook", playbook):
        done = subprocess.run(
            command,
            cwd=paths.REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PLAY_SECONDS,
            check=False,
        )
    return Play(done.returncode, done.stdout)
