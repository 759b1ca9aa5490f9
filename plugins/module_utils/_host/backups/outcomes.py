# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How an app's backups fare: what was wanted, how the last attempts ended, what is wrong."""

from __future__ import annotations

import calendar
import contextlib
import json
import time
from pathlib import Path
from typing import Any, Dict, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.store import SCHEDULED, manifests
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths, now
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.state import read_state, write_state
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

# The last drill that succeeded.
PROOF = "proof"


def settings_file(paths: AppPaths) -> Path:
    """Return where the role db_backup wrote what it was told; missing where backups are not scheduled."""
    return paths.home / "backup.d" / "settings.json"


def settings(paths: AppPaths) -> Dict[str, Any]:
    """Return what the role db_backup was told; empty where backups are not scheduled."""
    try:
        return dict(json.loads(settings_file(paths).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


def is_without_database(paths: AppPaths) -> bool:
    """Tell whether provisioning said that the app has no database. One that is only not found is missed."""
    return settings(paths).get("database") is False


def record(paths: AppPaths, kind: str, error: Optional[ReleaseError] = None, **facts: Any) -> None:
    """Write down how the last attempt of a kind ended; where that cannot be written, the attempt's own outcome still tells."""
    outcome = {"ok": error is None, "at": now(), **facts}
    if error is not None:
        outcome.update(code=error.code, what=error.what)
    with contextlib.suppress(ReleaseError, OSError):
        write_state(_state_file(paths), {"outcomes": {**outcomes(paths), kind: outcome}})


def outcomes(paths: AppPaths) -> Dict[str, Dict[str, Any]]:
    """Return how the last attempt of each kind ended: of backup, and ``offsite``, ``retention``, ``drill`` and ``proof``."""
    try:
        stored = read_state(_state_file(paths), ("outcomes",))
    except ReleaseError:
        return {}
    return dict(stored.body["outcomes"]) if stored.body else {}


def _state_file(paths: AppPaths) -> Path:
    return paths.backups / "state.json"


def state(paths: AppPaths) -> Dict[str, Any]:
    """Return what `status` tells: the newest backup without its tables, how many there are, the last outcomes, what is wrong."""
    found = manifests(paths)
    newest = {key: value for key, value in found[0].told().items() if key != "tables"} if found else None
    last = outcomes(paths)
    proved = newest is not None and (last.get(PROOF) or {}).get("backup") == newest["id"]
    return {"newest": newest, "count": len(found), "outcomes": last, "proved": proved, "problem": problem(paths)}


def problem(paths: AppPaths) -> Optional[str]:
    """Say what is wrong with the backups; None when nothing is, or none are wanted here."""
    told = settings(paths)
    found = manifests(paths)
    since = _seconds(found[0].at) if found else settings_file(paths).stat().st_mtime if told else time.time()
    return judged(outcomes(paths), bool(found), (time.time() - since) / 3600, told.get("oldest_hours"))


def judged(last: Dict[str, Dict[str, Any]], any_there: bool, hours: float, oldest_hours: Optional[float]) -> Optional[str]:
    """Say what is wrong with the backups; None when nothing is.

    Args:
        last: outcomes by kind.
        any_there: whether there is any backup.
        hours: age of the newest, or how long none was made.
        oldest_hours: how old the newest may be; None when none are scheduled.
    """
    words = {
        SCHEDULED: "backup",
        "retention": "removal of old backups",
        "offsite": "copy off this host",
        "drill": "restore drill",
    }
    for kind, name in words.items():
        outcome = last.get(kind)
        if outcome and not outcome["ok"]:
            name = f"scheduled {name}" if kind == SCHEDULED else name
            return f"the last {name} failed at {outcome['at']}: {outcome['code']}: {outcome['what']}"
    if oldest_hours is not None and hours > oldest_hours:
        return f"the newest backup is {hours:.0f} hours old" if any_there else f"no backup was made in {hours:.0f} hours"
    return None


def _seconds(at: str) -> float:
    return float(calendar.timegm(time.strptime(at, "%Y-%m-%dT%H:%M:%SZ")))
