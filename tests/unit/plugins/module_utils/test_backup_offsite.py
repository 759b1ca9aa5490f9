"""Copies of backups off the host."""

from ansible_collections.fairlead.fastapi.plugins.module_utils import _backup_offsite
from fakes_backup import day


def test_copies_are_found_by_the_backups_id() -> None:
    snapshots = [
        {"id": "s1", "paths": [f"/b/{day(1)}.dump", f"/b/{day(1)}.json"]},
        {"id": "s2", "paths": ["/etc"]},
        {"id": "s3", "paths": [f"/b/{day(2)}.dump"]},
    ]
    assert _backup_offsite.copies(snapshots) == {day(1): ("s1", "/b"), day(2): ("s3", "/b")}
