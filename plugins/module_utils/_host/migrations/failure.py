# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a migration failed, by what it printed."""

from __future__ import annotations

import re
from typing import Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

# 55P03: https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOCK_SIGNS = re.compile(r"lock timeout|LockNotAvailable|\b55P03\b", re.IGNORECASE)
# What to do about a migration that failed, by its code.
ADVICE = {
    "MIGRATION_FAILED": "fix the migration",
    "MIGRATION_LOCK": "it waited for a lock that another session held: end that session, or deploy when there is less traffic",
}


def migration_error_code(output: str) -> str:
    """Return the failure code for what a migration printed: whether it gave up waiting for a lock, or failed by itself."""
    return "MIGRATION_LOCK" if _LOCK_SIGNS.search(output) else "MIGRATION_FAILED"


def invalid_index(who: str, indexes: Sequence[str], details: Sequence[str] = ()) -> ReleaseError:
    """Return the failure of a migration that left indexes which are not used, and stand in the way of the next one.

    Args:
        who: subject and verb of the message.
        indexes: their names.
        details: what else is shown.
    """
    return ReleaseError(
        "MIGRATION_PARTIAL",
        f"{who} an invalid index: {', '.join(indexes)}",
        "drop it as shown below, then deploy again; no migration runs until then",
        [*details, *(f"DROP INDEX CONCURRENTLY {index};" for index in indexes)],
    )
