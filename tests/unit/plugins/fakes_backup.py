"""Backups as tests have them on a host."""

from dataclasses import replace
from typing import Any

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import store
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest, Table, VolumeCopy
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.state import write_state
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database

DATABASE = Database("shop", "shop", "postgres", "shop_migrator", "shop-data-postgres-1", container="c1")
TABLES = {"public.items": Table(3, "17"), "public.users": Table(1, "-4")}


def manifest(identifier: str, kind: str = "scheduled", **changes: Any) -> Manifest:
    whole = Manifest(
        identifier,
        kind,
        release="r1",
        bytes=4,
        seconds=0.5,
        at="2026-01-31T02:00:00Z",
        database="shop",
        revision=["0002"],
        database_bytes=9,
        server_version="17.2",
        tables=TABLES,
    )
    return replace(whole, **changes)


def copied(name: str = "data", **changes: Any) -> VolumeCopy:
    """Return what a manifest says of a volume's copy."""
    return replace(VolumeCopy(name, f"{name}.tar.gz", "", bytes=0, entries=3, content="", disk_bytes=0), **changes)


def made(paths: AppPaths, identifier: str, kind: str = "scheduled", content: bytes = b"dump", **changes: Any) -> str:
    """Have a backup on the host, and return its id."""
    paths.backups.mkdir(exist_ok=True)
    dump = store.dump_of(paths, identifier)
    dump.write_bytes(content)
    facts = {"sha256": store.sha256(dump), "bytes": len(content), **changes}
    write_state(store.manifest_of(paths, identifier), manifest(identifier, kind, **facts).as_dict())
    return identifier


def day(number: int) -> str:
    return f"202601{number:02}T020000Z"
