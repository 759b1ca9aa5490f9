# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Questions to the PostgreSQL that Fairlead runs for an app.  Private to this collection."""

from __future__ import annotations

from typing import List

from ansible_collections.fairlead.fastapi.plugins.module_utils import _docker

SERVICE = "postgres"
QUESTION_SECONDS = 10.0
# The container knows user and database; the question comes by standard input.
_PSQL = ["sh", "-c", 'exec psql --no-psqlrc --quiet --no-align --tuples-only --username "$POSTGRES_USER" --dbname "$POSTGRES_DB"']
# Who waits, or makes others wait: the oldest first, and whom each waits for.
_TRANSACTIONS = """
SELECT format('pid %s, %s, open for %s s%s: %s', pid, state, round(extract(epoch FROM clock_timestamp() - xact_start)),
              CASE WHEN cardinality(pg_blocking_pids(pid)) > 0
                   THEN ', waits for pid ' || array_to_string(pg_blocking_pids(pid), ', ') ELSE '' END,
              left(regexp_replace(query, '\\s+', ' ', 'g'), 120))
FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database()
ORDER BY xact_start LIMIT 5;
"""


def open_transactions(app: str) -> List[str]:
    """Return one line for each of the oldest open transactions; empty when the database is elsewhere or does not answer."""
    found = [
        container
        for container in _docker.project_containers(f"{app}-data")
        if container["Config"]["Labels"].get("com.docker.compose.service") == SERVICE and container["State"]["Running"]
    ]
    return _docker.execute(found[0]["Id"], _PSQL, _TRANSACTIONS, QUESTION_SECONDS) if found else []
