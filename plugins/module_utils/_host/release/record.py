# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is on record of a release, in ``ledger.json`` and in its bundle's ``release.json``: read, checked and written here alone.

This is format 2. Format 1 had the image as three texts beside each other, and neither processes nor volumes; it is read as before.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Dict, List, Mapping, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import Migration

FORMAT = 2
RELEASE_ID = re.compile(r"r[1-9][0-9]{0,8}")
# What became of a release: not live yet; live; was live, and can be again; was refused; its files are removed.
PREPARED, LIVE, KEPT, FAILED, PRUNED = "prepared", "live", "kept", "failed", "pruned"
GONE = (FAILED, PRUNED)
API = "api"


@dataclass(frozen=True)
class PinnedImage:
    """An image by its digest.

    Args:
        repository: its name without tag.
        tag: what the digest was found under, which is only a label.
        digest: ``sha256:…`` of its manifest.
        image_id: what the engine calls it; empty where that is not known.
    """

    repository: str
    tag: str
    digest: str
    image_id: str = ""

    @property
    def reference(self) -> str:
        """What it is run by."""
        return f"{self.repository}@{self.digest}"

    @property
    def label(self) -> str:
        """What people know it by."""
        return f"{self.repository}:{self.tag}"

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> PinnedImage:
        """Read the image of a record. Raises one of `UNREADABLE` where there is none."""
        image = told["image"]
        if isinstance(image, str):  # format 1
            return cls(image, told["tag"], told["digest"])
        return cls(image["repository"], image["tag"], image["digest"], image.get("image_id") or "")


@dataclass(frozen=True)
class Process:
    """One kind of container that a release consists of.

    Args:
        kind: ``web`` for what the proxy sends requests to.
        command: its words; empty for the image's own.
        replicas: how many run on a host.
        listen: ``socket``, or the TCP port.
        resources: ``memory_bytes``; 0 is no limit.
        stop: ``grace_seconds`` between the signal and the end.
        singleton: never two at once, also not for a moment.
        others: what a newer version keeps here; written back as it was.
    """

    kind: str = "web"
    command: List[str] = field(default_factory=list)
    replicas: int = 1
    listen: str = "socket"
    resources: Dict[str, int] = field(default_factory=dict)
    stop: Dict[str, int] = field(default_factory=dict)
    singleton: bool = False
    others: Dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Process:
        """Read what `as_dict` wrote. Raises one of `UNREADABLE` when it did not."""
        known = {name: told[name] for name in _OF_PROCESS if name in told}
        return cls(**known, others={name: value for name, value in told.items() if name not in _OF_PROCESS})

    def as_dict(self) -> Dict[str, Any]:
        """Return it as JSON has it."""
        return {**self.others, **{name: getattr(self, name) for name in _OF_PROCESS}}


_OF_PROCESS = tuple(one.name for one in fields(Process) if one.name != "others")


def processes_of(settings: Settings) -> Dict[str, Process]:
    """Return the processes that a release's settings ask for."""
    listen = "socket" if settings["listen"] == "socket" else str(settings["port"])
    resources, stop = {"memory_bytes": int(settings["memory_bytes"])}, {"grace_seconds": int(settings["stop_grace_seconds"])}
    return {API: Process(listen=listen, resources=resources, stop=stop)}


@dataclass(frozen=True)
class Schema:
    """What a release was made for, and what it did to the database.

    Args:
        tool: ``alembic``, ``command`` or ``none``.
        heads: the revisions that its image needs.
        migrations: what it ran to bring the database there.
        before: what the database was at before; None when the release never came so far.
        backup: id of the backup from before; None when there was nothing to lose.
        accepted: the revision with which an operator said that the release works; None when nobody did.
    """

    tool: str
    heads: List[str] = field(default_factory=list)
    migrations: List[Migration] = field(default_factory=list)
    before: Optional[List[str]] = None
    backup: Optional[str] = None
    accepted: Optional[List[str]] = None

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Schema:
        """Read what `as_dict` wrote, or format 1, which is the same."""
        migrations = [Migration.from_dict(migration) for migration in told.get("migrations") or ()]
        heads = list(told.get("heads") or ())
        return cls(told.get("tool", ""), heads, migrations, told.get("from"), told.get("backup"), told.get("accepted"))

    def as_dict(self) -> Dict[str, Any]:
        """Return it as JSON has it: `before` is called ``from`` there, and SQL is left out."""
        told = {"tool": self.tool, "heads": self.heads, "migrations": [migration.recorded() for migration in self.migrations]}
        others = {"from": self.before, "backup": self.backup, "accepted": self.accepted}
        return {**told, **{name: value for name, value in others.items() if value is not None}}


@dataclass
class Release:
    """A release on this host.

    Args:
        id: ``r1``, ``r2``, …; never used twice.
        image: what it runs.
        previous: the release that was live when this one was prepared; None when none was.
        status: `PREPARED`, `LIVE`, `KEPT`, `FAILED` or `PRUNED`.
        run: id of the run that made it.
        owner: who ran that.
        config_hash: of all that would make a difference to users.
        processes: what it consists of, by name; empty in records of format 1.
        volumes: as ``app_volumes`` has them.
        schema: what it was made for; None for one that was never planned.
        prepared_at: when, in UTC.
        live_at: when it went live last, in UTC.
        revision: what its readiness answer said of the database.
        container: id of the container that was put into service.
        reason: failure code of one that was refused.
        others: what a newer version keeps in a record and this one does not know; written back as it was.
    """

    id: str
    image: PinnedImage
    previous: Optional[str] = None
    status: str = PREPARED
    run: str = ""
    owner: str = ""
    config_hash: str = ""
    processes: Dict[str, Process] = field(default_factory=dict)
    volumes: List[Dict[str, Any]] = field(default_factory=list)
    schema: Optional[Schema] = None
    prepared_at: Optional[str] = None
    live_at: Optional[str] = None
    revision: Any = None
    container: Optional[str] = None
    reason: Optional[str] = None
    others: Dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What people know it by."""
        return f"{self.id} ({self.image.label})"

    @property
    def heads(self) -> List[str]:
        """The revisions that it was made for; none where that is not known."""
        return self.schema.heads if self.schema else []

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Release:
        """Read a record of format 1 or 2. Raises one of `UNREADABLE` when it is neither."""
        plain = {name: told[name] for name in _PLAIN if told.get(name) is not None}
        known = {*_PLAIN, "image", "tag", "digest", "fingerprint", "processes", "schema"}
        return cls(
            image=PinnedImage.from_dict(told),
            processes={name: Process.from_dict(process) for name, process in (told.get("processes") or {}).items()},
            schema=Schema.from_dict(told["schema"]) if told.get("schema") else None,
            others={name: value for name, value in told.items() if name not in known},
            **{"config_hash": told.get("fingerprint", ""), **plain},
        )

    def as_dict(self) -> Dict[str, Any]:
        """Return the record as JSON has it."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        processes = {name: process.as_dict() for name, process in self.processes.items()}
        schema = self.schema.as_dict() if self.schema else None
        return {**self.others, **plain, "image": asdict(self.image), "processes": processes, "schema": schema}


# The fields that are the same in a record and in `Release`.
_PLAIN = (
    *("id", "previous", "status", "run", "owner", "config_hash", "volumes"),
    *("prepared_at", "live_at", "revision", "container", "reason"),
)
