# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table that the schema's revision is read from: trusted only when it is a table, and writable by its owner alone."""

from __future__ import annotations

from typing import Sequence, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.sql import literal
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

DEFAULT = "alembic_version"
# The name is looked up as the migration tool does, along the role's own search_path. After that no name can be shadowed.
_FIND = """
SELECT coalesce(pg_catalog.to_regclass({table})::pg_catalog.oid, 0) AS version_table \\gset
SET search_path = pg_catalog;
"""
_TRUSTED = "c.oid = :version_table AND relkind = 'r' AND pg_has_role(relowner, 'USAGE')"
_READ = f"""
SELECT 'refused', format('%I.%I', nspname, relname),
       CASE relkind WHEN 'r' THEN 'a table' WHEN 'v' THEN 'a view' WHEN 'm' THEN 'a materialized view' WHEN 'f' THEN 'a foreign table'
            WHEN 'p' THEN 'a partitioned table' ELSE 'no table' END, pg_get_userbyid(relowner), current_user
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE c.oid = :version_table AND NOT ({_TRUSTED});
SELECT format('SELECT ''revision'', version_num FROM ONLY %I.%I ORDER BY 2', nspname, relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE {_TRUSTED} \\gexec
"""
_PROTECT = f"""
SELECT format('REVOKE %s ON TABLE %I.%I FROM %s', string_agg(DISTINCT privilege_type, ', '), nspname, relname,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace, aclexplode(relacl)
WHERE {_TRUSTED} AND grantee <> relowner AND privilege_type <> 'SELECT' GROUP BY nspname, relname, grantee \\gexec
"""


def question(table: str) -> str:
    """Return the script that asks for the revision, with ``search_path`` being ``pg_catalog`` from then on; see `revision`."""
    return _FIND.format(table=literal(table)) + _READ


def protection(table: str) -> str:
    """Return the script by which its owner takes from all others the right to write it; reading stays."""
    return _FIND.format(table=literal(table)) + _PROTECT


def revision(rows: Sequence[Sequence[str]]) -> Tuple[str, ...]:
    """Return the revision that the rows of `question` tell.

    Raises:
        ReleaseError: VERSION_TABLE when it is not a table of the role that asked.
    """
    for kind, *facts in rows:
        if kind == "refused":
            name, what, owner, asked = facts
            raise ReleaseError(
                "VERSION_TABLE",
                f"{name} is {what} of the role {owner}, and must be an ordinary table of the role {asked} or of one that it is a member of",
                "find out who made it; playbooks/provision.yml gives tables of other roles to the migrator, drop anything else",
            )
    return tuple(row[1] for row in rows if row[0] == "revision")
