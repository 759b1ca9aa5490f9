"""What is told of backups, and when something is wrong with them."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import outcomes as _outcomes
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from fakes_backup import day, made

FAILED = {"ok": False, "at": "2026-01-31T02:00:00Z", "code": "DISK_SPACE", "what": "4 MB are free"}
FINE = {"ok": True, "at": "2026-01-31T02:00:00Z"}


@pytest.mark.parametrize(
    ("outcomes", "any_there", "hours", "oldest", "said"),
    [
        ({}, True, 400, None, None),  # nobody wants any
        ({"scheduled": FINE}, True, 49, 50, None),
        ({"scheduled": FINE}, True, 51, 50, "the newest backup is 51 hours old"),
        ({}, False, 51, 50, "no backup was made in 51 hours"),
        ({"scheduled": FAILED}, True, 51, 50, "the last scheduled backup failed at 2026-01-31T02:00:00Z: DISK_SPACE: 4 MB are free"),
        ({"scheduled": FINE, "offsite": FAILED}, True, 1, 50, "the last copy off this host failed at"),
        ({"scheduled": FINE, "drill": FAILED}, True, 1, 50, "the last restore drill failed at"),
        ({"migration": FAILED}, True, 1, 50, None),  # that deploy failed, and said so
    ],
)
def test_status_reports_failed_and_late_backups(
    outcomes: dict[str, Any], any_there: bool, hours: float, oldest: float | None, said: str | None
) -> None:
    told = _outcomes.judged(outcomes, any_there, hours, oldest)
    assert told == said if said is None else (told or "").startswith(said)


def test_outcomes_are_kept_by_kind(paths: AppPaths) -> None:
    made(paths, day(1))
    _outcomes.record(paths, "scheduled", ReleaseError("BACKUP_FAILED", "why", "do"))
    _outcomes.record(paths, "drill", backup=day(1), seconds=2.5)
    told = _outcomes.state(paths)
    assert (told["newest"]["id"], "tables" in told["newest"], told["count"]) == (day(1), False, 1)
    assert told["outcomes"]["drill"]["seconds"] == 2.5
    assert told["proved"] is False
    _outcomes.record(paths, "proof", backup=day(1))
    assert _outcomes.state(paths)["proved"] is True
    made(paths, day(2))
    assert _outcomes.state(paths)["proved"] is False
    assert told["problem"].endswith("BACKUP_FAILED: why")
