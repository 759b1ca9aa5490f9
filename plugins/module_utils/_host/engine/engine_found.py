# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is on a host of engines and containers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence

ENGINES = ("docker-ce", "docker-ee", "moby-engine", "docker.io")


@dataclass(frozen=True)
class Container:
    """A container on the host.

    Args:
        name: its name.
        ours: whether this collection started it.
        running: whether it runs.
    """

    name: str
    ours: bool
    running: bool


@dataclass(frozen=True)
class Found:
    """What is on the host.

    Args:
        packages: version of each installed package.
        offered: version of each package that the package index has, of those that were asked for.
        version: of the engine; None where there is none.
        runs: whether it answers at its socket.
        silent: whether it runs and does not answer there.
        foreign: how an engine is called that is no Docker Engine of a package (snap, Podman).
        cli: whether there is a `docker` command.
        compose: version of its Compose plugin.
        data: its data directory.
        swarm: whether it is part of a swarm.
        containers: all of them.
        daemon: content of daemon.json.
        flags: names of the options that it was started with.
        held: packages that are not upgraded by themselves.
    """

    packages: Mapping[str, str] = field(default_factory=dict)
    offered: Mapping[str, str] = field(default_factory=dict)
    version: Optional[str] = None
    runs: bool = False
    silent: bool = False
    foreign: Optional[str] = None
    cli: bool = False
    compose: Optional[str] = None
    data: str = "/var/lib/docker"
    swarm: bool = False
    containers: Sequence[Container] = ()
    daemon: Mapping[str, Any] = field(default_factory=dict)
    flags: FrozenSet[str] = frozenset()
    held: Sequence[str] = ()

    @property
    def product(self) -> Optional[str]:
        """Name of the package that the engine is from; None where there is none, or it is from no package."""
        return next((name for name in ENGINES if name in self.packages), None)

    @property
    def others(self) -> List[Container]:
        """Containers that this collection did not start."""
        return [container for container in self.containers if not container.ours]


@dataclass(frozen=True)
class Wanted:
    """What the inventory says.

    Args:
        packages: to be installed where there is no engine.
        settings: of daemon.json, the operator's own among them.
        explicit: names of the operator's own.
        restart_others: whether containers of others may be stopped by a restart of the engine.
    """

    packages: Sequence[str]
    settings: Dict[str, Any]
    explicit: FrozenSet[str] = frozenset()
    restart_others: bool = False


@dataclass(frozen=True)
class Record:
    """What earlier runs noted on the host.

    Args:
        installed: whether this collection installed the engine.
        before: what this app wanted then.
        others: what each other app wants.
    """

    installed: bool = False
    before: Dict[str, Any] = field(default_factory=dict)
    others: Sequence[Dict[str, Any]] = ()
