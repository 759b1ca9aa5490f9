# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The app's data moved to another major of PostgreSQL, by a dump.

The new server is filled beside the old one, in a container without a network, on a volume of its own. It takes the place only when
it holds what the dump's manifest says. Until then, whoever dies: the old server runs on its own volume, and the next run begins anew.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import restore
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.backup import take, version_table
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.store import dump_of
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths, now, write_json
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.steps import Steps
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import (
    database_copy,
    dump,
    roles,
    roles_state,
    volume,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import SERVICE, Database, find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.sql import identifier, literal
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.volume import begun, record
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import upgrade_server as server
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.upgrade_server import (
    SHOWN_LINES,
    START_SECONDS,
    Move,
    container_name,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

KIND = "upgrade"
# What provisioning writes anew for the new server, and what it notes of that.
FILES = ("compose.yaml", "recorded.sha256")
ROLES_SECONDS = 120.0
# A dump is smaller than the data, indexes are made anew: this is for both, and for what sorting them takes.
SPACE_FACTOR = 1.5
# Whoever may connect but the owner, as whom the data is dumped.
_VISITORS = """
SELECT DISTINCT CASE grantee WHEN 0 THEN '' ELSE pg_get_userbyid(grantee) END
FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))
WHERE datname = {name} AND privilege_type = 'CONNECT' AND grantee <> datdba;
"""
_END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
WHERE datname = {name} AND NOT rolsuper AND pid <> pg_backend_pid();
"""


def kept(paths: AppPaths) -> Path:
    """Return where the files of the old server are kept meanwhile."""
    return paths.home / "data" / "upgrade"


def copy(move: Move, steps: Steps, wanted: roles.Wanted) -> Manifest:
    """Fill the new volume with what the old server has, and return the backup's manifest.

    Afterwards nobody but the owner and superusers can log in to the old database: what is written there would be lost.

    Args:
        move: from where to where.
        steps: get what was done.
        wanted: the roles, which no dump has.

    Raises:
        ReleaseError: the old server is open again, and nothing is left of the new one.
    """
    database = find_database(move.paths)
    if database is None or database.container is None:
        raise ReleaseError("DB_UNREACHABLE", "no PostgreSQL of this app runs on this host", "run playbooks/provision.yml on the data host")
    with steps.step("check"):
        _refuse_strange_volume(move)
        _refuse_small_disk(move, database)
    _keep_files(move.paths)
    entry: Dict[str, Any] = {
        "from": {"major": move.old.major, "volume": move.old.name},
        "to": {"major": move.image.major, "volume": move.new},
        "visitors": [row[0] for row in database.query(_VISITORS.format(name=literal(database.name)), admin=True)],
        "at": now(),
    }
    write_json(record(move.paths), entry)
    try:
        return _copy(move, database, steps, wanted, entry["visitors"])
    except BaseException:
        # On a signal as well. What cannot be undone now is undone by the next run.
        with contextlib.suppress(ReleaseError), steps.step("undo"):
            revert(move.paths)
        raise


def _copy(move: Move, database: Database, steps: Steps, wanted: roles.Wanted, visitors: Sequence[str]) -> Manifest:
    with steps.step("close"):
        database.query(_connect(database, "REVOKE", "FROM", visitors) + _END_SESSIONS.format(name=literal(database.name)), admin=True)
    with steps.step("backup") as step:
        manifest = take(move.paths, database, KIND)
        step["backup"] = manifest.id
    with steps.step("start"):
        volume.create(move.paths.app, move.new)
        new = server.start(move, database)
        server.await_ready(new)
    try:
        with steps.step("roles"):
            _make_roles(new, wanted)
            # It is empty, and nobody can log in: what a superuser makes there meets nothing of the migrator's.
            database_copy.copy_extensions(database, new, new.name)
        with steps.step("restore") as step:
            step["left_out"] = dump.restore_dump(new, new.name, dump_of(move.paths, manifest.id))
            database_copy.copy_settings(database, new, new.name)
        with steps.step("compare") as step:
            step["tables"] = len(manifest.tables)
            restore.compare(new, new.name, manifest, version_table(move.paths))
    except ReleaseError as error:
        error.details += ["last log lines of the new server:", *(f"  {line}" for line in docker.log_tail(move.container, SHOWN_LINES))]
        raise
    with steps.step("stop"):
        server.stop(move.container)
    return manifest


def revert(paths: AppPaths) -> Optional[Dict[str, Any]]:
    """Have the old server serve from its own volume again, with nothing left of the new one; return what was begun, if anything.

    Raises:
        ReleaseError: START_FAILED, DOCKER_FAILED, DB_UNREACHABLE or DB_QUERY_FAILED.
    """
    entry = begun(paths)
    if entry is None:
        return None
    docker.remove(container_name(paths))
    for file in sorted(kept(paths).glob("*")):
        file.replace(paths.home / "data" / file.name)
    user, group = map(int, volume.owner_in(entry["from"]["volume"]).split(":"))
    os.chown(paths.home / "data" / "secrets" / "postgres_password", user, group)
    _compose_up(paths)
    volume.remove(entry["to"]["volume"])
    database = find_database(paths)
    if database is not None:
        database.query(_connect(database, "GRANT", "TO", entry["visitors"]), admin=True)
    _forget(paths)
    return entry


def finish(paths: AppPaths) -> Optional[Dict[str, Any]]:
    """Write down that the new server has the place; return what was begun, if anything."""
    entry = begun(paths)
    if entry is not None:
        _forget(paths)
    return entry


def _refuse_strange_volume(move: Move) -> None:
    # Without a record of an upgrade, nobody knows what is in it, and it may be somebody's data.
    if volume.exists(move.new):
        raise ReleaseError(
            "UPGRADE_FAILED",
            f"the volume {move.new} exists already, and it was not created by an interrupted upgrade; nothing was changed",
            f"check its contents; if it is not needed: docker volume rm {move.new}, then run this again",
        )


def _refuse_small_disk(move: Move, database: Database) -> None:
    needed = int(database.look().size * SPACE_FACTOR)
    free = shutil.disk_usage(docker.engine().data).free
    if free < needed:
        raise ReleaseError(
            "DISK_SPACE",
            f"{free >> 20} MiB are free for a second copy of the database, which may take {needed >> 20} MiB; nothing was changed",
            f"free space on the file system of {docker.engine().data}, or enlarge it",
        )


def _make_roles(server: Database, wanted: roles.Wanted) -> None:
    rows = server.query(roles_state.question(wanted.migrator.name, wanted.user.name), ROLES_SECONDS, server.name, admin=True)
    server.query(roles.script(roles.changes(roles_state.state(rows), wanted)), ROLES_SECONDS, server.name, admin=True)


def _connect(database: Database, verb: str, preposition: str, visitors: Sequence[str]) -> str:
    names = ", ".join(identifier(name) if name else "PUBLIC" for name in visitors)
    return f"{verb} CONNECT ON DATABASE {identifier(database.name)} {preposition} {names};\n" if names else ""


def _keep_files(paths: AppPaths) -> None:
    kept(paths).mkdir(mode=0o700, exist_ok=True)
    for name in FILES:
        if (paths.home / "data" / name).exists():
            shutil.copy2(paths.home / "data" / name, kept(paths) / name)


def _forget(paths: AppPaths) -> None:
    record(paths).unlink()
    server.lent(paths).unlink(missing_ok=True)
    shutil.rmtree(kept(paths), ignore_errors=True)


def _compose_up(paths: AppPaths) -> None:
    directory = paths.home / "data"
    done = docker.compose(f"{paths.app}-data", directory, "up", "--detach", "--wait", SERVICE, seconds=START_SECONDS, merge=True)
    if done.code:
        raise ReleaseError(
            "START_FAILED",
            f"PostgreSQL does not start again on its old volume from {directory / 'compose.yaml'}",
            f"look at docker logs {paths.app}-data-{SERVICE}-1; its data is as it was",
            done.out.splitlines()[-SHOWN_LINES:],
        )
