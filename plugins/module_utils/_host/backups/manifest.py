# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a backup says of itself: the proof that it is compared with when it is restored."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Dict, List, Mapping, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.fields import known_fields

# Version of the format, as scripts see it in what playbooks/backup.yml and status.yml print.
FORMAT = 1


@dataclass(frozen=True)
class Table:
    """What a table held.

    Args:
        rows: how many.
        checksum: the sum of their hashes, whatever their order.
    """

    rows: int
    checksum: str


@dataclass(frozen=True)
class VolumeCopy:
    """A volume's copy.

    Args:
        name: the volume's, as app_volumes has it.
        file: the archive's, beside the manifest.
        sha256: of the archive.
        bytes: of the archive.
        entries: files and directories in it.
        content: checksum of names, modes and contents.
        disk_bytes: what they take on a disk.
        skipped: how many sockets, FIFOs and devices were left out.
        unsteady: files that were written to each time they were read, the first of them.
    """

    name: str
    file: str
    sha256: str
    bytes: int
    entries: int
    content: str
    disk_bytes: int
    skipped: int = 0
    unsteady: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class Manifest:
    """A backup; of one that lies off the host and was not fetched, nothing but the id is known.

    Args:
        id: when it was begun, in UTC.
        kind: ``scheduled``, ``migration``, ``manual``, ``restore`` or ``upgrade``.
        release: the release that it belongs to; None when none was live.
        sha256: of the dump.
        bytes: of the dump.
        seconds: how long it took.
        at: when it was begun, in UTC, for people.
        installation: name of the installation; None where no copies are kept off the host.
        database: name of the database; None for an app without one, whose dump is empty.
        revision: the schema's revision.
        database_bytes: size of the database.
        server_version: PostgreSQL's.
        tables: what each table held, by name with schema.
        volumes: copies of the app's volumes.
    """

    id: str
    kind: str = ""
    release: Optional[str] = None
    sha256: str = ""
    bytes: int = 0
    seconds: float = 0.0
    at: str = ""
    database: Optional[str] = None
    revision: List[str] = field(default_factory=list)
    database_bytes: int = 0
    server_version: str = ""
    tables: Dict[str, Table] = field(default_factory=dict)
    volumes: List[VolumeCopy] = field(default_factory=list)
    installation: Optional[str] = None

    @property
    def rows(self) -> int:
        """How many rows all tables held."""
        return sum(table.rows for table in self.tables.values())

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Manifest:
        """Read what `as_dict` wrote, or an earlier version, which knew neither volumes nor installations.

        Raises:
            AttributeError, KeyError, TypeError: it is no manifest.
        """
        known = known_fields(cls, told)
        known["tables"] = {name: Table(**known_fields(Table, table)) for name, table in told["tables"].items()}
        known["volumes"] = [VolumeCopy(**known_fields(VolumeCopy, copy)) for copy in told.get("volumes") or ()]
        return cls(**known)

    def as_dict(self) -> Dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)

    def told(self) -> Dict[str, Any]:
        """Return it as people and scripts get it."""
        return {"schema": FORMAT, **asdict(self)}
