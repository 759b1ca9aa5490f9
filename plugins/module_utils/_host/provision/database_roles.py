# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The roles in an app's database."""

from __future__ import annotations

from typing import Any, Dict, List

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import roles, roles_state
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database, find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

# Granting on some thousand tables takes a while.
SECONDS = 120.0
ROLES = ("migrator", "migrator_password", "user", "user_password")


def needed(database: Database, params: Dict[str, Any]) -> List[roles.Statement]:
    """Return the statements that are needed.

    Raises:
        ReleaseError: DB_UNREACHABLE, DB_QUERY_FAILED, or CONFIG when the roles are not given.
    """
    settings = {str(name): str(value) for name, value in params["settings"].items()}
    if database.container is None:
        own = dict(row[1].split("=", 1) for row in database.query(roles_state.OWN_SETTINGS))
        return roles.settings_changes(own, settings)
    missing = [name for name in ROLES if not params[name]]
    if missing:
        raise ReleaseError("CONFIG", f"not given: {', '.join(missing)}", "the database runs here, so its roles are made here")
    migrator = roles.Role(params["migrator"], params["migrator_password"])
    wanted = roles.Wanted(migrator, roles.Role(params["user"], params["user_password"]), settings, params["version_table"])
    rows = database.query(roles_state.question(wanted.migrator.name, wanted.user.name), SECONDS, database.name, admin=True)
    return roles.changes(roles_state.state(rows), wanted)


def work(paths: AppPaths, params: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Bring roles and privileges to what is wanted.

    Raises:
        ReleaseError: see `needed`; also DB_UNREACHABLE when there is no database.
    """
    database = find_database(paths)
    if database is None:
        if check_mode:
            return {"changed": True, "statements": []}  # it will be started, and all made
        raise ReleaseError(
            "DB_UNREACHABLE", f"no container {paths.app}-data-postgres-1 is on this host", "run playbooks/provision.yml on the data host"
        )
    statements = needed(database, params)
    if statements and not check_mode:
        database.query(roles.script(statements), SECONDS, database.name, admin=True)
    shown = [str(statement) for statement in statements]
    return {
        "changed": bool(statements),
        "statements": shown,
        "diff": {"before": "", "after": "".join(f"{line}\n" for line in shown), "after_header": f"{database.name} at {database.title}"},
    }


def run(params: Dict[str, Any], check: bool) -> Dict[str, Any]:
    """Make the roles of an app's database."""
    return work(AppPaths(params["app"]), params, check)
