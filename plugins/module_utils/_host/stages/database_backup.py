# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A backup of an app's database and volumes when somebody wants one."""

from __future__ import annotations

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import backup, backup_volumes, lookup
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Result, Stage


def run(stage: Stage) -> Result:
    """Make a backup by hand."""
    with stage.lock():
        database = lookup.database_of(stage.paths)
        if stage.check_mode:
            return {"changed": True, "backup": None}
        with stage.steps.step("backup") as step:
            manifest = backup.take(stage.paths, database, "manual")
            step.update(backup=manifest.id, bytes=manifest.bytes)
        stage.warnings += backup_volumes.notes(manifest)
        return {"changed": True, "backup": manifest.told()}
