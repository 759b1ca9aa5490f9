# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a migration failed, by what it printed."""

from __future__ import annotations

import re

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
