"""Stand-ins for what the callback is fed with, and for the screen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fairlead.fastapi.plugins.callback.release import CallbackModule


@dataclass
class Shown:
    """A display that keeps what it is given."""

    verbosity: int = 0
    columns: int = 140
    parts: list[tuple[str, str | None, bool]] = field(default_factory=list)

    def display(self, msg: str, color: str | None = None, stderr: bool = False) -> None:
        self.parts.append((msg, color, stderr))

    @property
    def text(self) -> str:
        return "\n".join(part for part, _, _ in self.parts)


@dataclass
class Host:
    name: str

    def get_name(self) -> str:
        return self.name


@dataclass
class Task:
    action: str
    name: str = "Do it"
    loop: bool = False
    check_mode: bool = False
    delegate_to: str | None = None
    ignore_unreachable: bool = False

    def get_name(self, include_role_fqcn: bool = True) -> str:
        return f"{'fairlead.fastapi.' if include_role_fqcn else ''}a_role : {self.name}"

    def get_path(self) -> str:
        return "roles/a_role/tasks/main.yml:7"


@dataclass
class Result:
    host: Host
    task: Task
    result: dict[str, Any]


@dataclass
class Play:
    name: str

    def get_name(self) -> str:
        return self.name


NONE = {"ok": 0, "changed": 0, "failures": 0, "unreachable": 0, "rescued": 0, "ignored": 0, "skipped": 0}


class Stats:
    """Ansible's own counts by host."""

    def __init__(self, **hosts: dict[str, int]) -> None:
        self.processed = hosts

    def summarize(self, host: str) -> dict[str, int]:
        return {**NONE, **self.processed[host]}


class Run:
    """A playbook's events, told in a few words."""

    def __init__(self, callback: CallbackModule, shown: Shown) -> None:
        self.callback = callback
        self.shown = shown

    def play(self, name: str) -> None:
        self.callback.v2_playbook_on_play_start(Play(name))

    def task(self, task: Task, hosts: str, *results: tuple[str, str, dict[str, Any]]) -> None:
        """Run a task: its hosts, then what came back: host, event and result."""
        self.callback.v2_playbook_on_task_start(task, False)
        for host in hosts.split():
            self.callback.v2_runner_on_start(Host(host), task)
        for host, event, body in results:
            getattr(self.callback, f"v2_runner_on_{event}")(Result(Host(host), task, body))

    def ends(self, **hosts: dict[str, int]) -> None:
        self.callback.v2_playbook_on_stats(Stats(**hosts))
