"""A record with keys of a newer version is read as if it had none of them."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest, Table, VolumeCopy
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.state import UNREADABLE
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import site
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.entry import Entry
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.fields import known_fields
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import EXPAND, LOCK, Finding, Migration

MORE = {"of_a_newer_version": 1}
TABLE, COPY = Table(2, "7"), VolumeCopy("data", "data.tar", "0", 1, 1, "0", 1)
MANIFEST = Manifest("20261126T100000Z", tables={"public.a": TABLE}, volumes=[COPY])
FINDING = Finding(1, "ALTER TABLE a", "rule", "waits", LOCK)
MIGRATION = Migration("0002", ("0001",), "Add", impact=EXPAND, findings=(FINDING,))
ENTRY = Entry("run1", "alice", "deploy", "now", "boot").at("PLANNED")
SITE = site.Site([{"name": "shop.lab", "path": "/", "redirect": False}])


def site_of(told: dict[str, Any]) -> site.Site | None:
    return site.parse(f"# fairlead: {json.dumps(told)}\n")


@pytest.mark.parametrize(
    ("record", "written", "read"),
    [
        (MANIFEST, MANIFEST.as_dict(), Manifest.from_dict),
        (MANIFEST, {**MANIFEST.as_dict(), "tables": {"public.a": {**asdict(TABLE), **MORE}}}, Manifest.from_dict),
        (MANIFEST, {**MANIFEST.as_dict(), "volumes": [{**asdict(COPY), **MORE}]}, Manifest.from_dict),
        (MIGRATION, MIGRATION.as_dict(), Migration.from_dict),
        (MIGRATION, {**MIGRATION.as_dict(), "findings": [{**asdict(FINDING), **MORE}]}, Migration.from_dict),
        (ENTRY, ENTRY.as_dict(), Entry.from_dict),
        (SITE, asdict(SITE), site_of),
    ],
    ids=["manifest", "table", "volume's copy", "migration", "finding", "journal entry", "site"],
)
def test_keys_of_a_newer_version_are_passed_over(record: Any, written: dict[str, Any], read: Callable[[Any], Any]) -> None:
    assert read({**written, **MORE}) == record


@pytest.mark.parametrize("told", [None, 7, "rows", ["rows"], {}])
def test_what_is_no_record_is_unreadable(told: Any) -> None:
    with pytest.raises(UNREADABLE):
        Table(**known_fields(Table, told))
