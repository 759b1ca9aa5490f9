# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stage of a rollback that undoes migrations, only where that was asked for."""

from __future__ import annotations

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import retirement
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.schema import alembic_words
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import described, find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.migration import MigrationRun
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Result, Stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


def run(stage: Stage) -> Result:
    """Bring the database back to what the target was made for."""
    if stage.check_mode:
        return {"changed": True, "output": [], "backup": None}
    wanted = stage.params["downgrade"]
    with stage.lock():
        stage.resume()
        retirement.complete(stage.paths)
        image = Candidate(stage.paths, wanted["by"]).for_migrations
        migration = MigrationRun(stage, image, find_database(stage.paths))
        with migration.alone(wanted["revision"]):
            migration.back_up(read_route(stage.paths))
            output = migration.run([*alembic_words(image.settings["migrate_command"]), "downgrade", wanted["to"]])
            after = migration.revision()
        if after != [wanted["to"]]:
            raise ReleaseError(
                "DOWNGRADE_FAILED",
                f"the downgrade ended without an error, but the database is at {described(after)} instead of {wanted['to']}",
                f"restore the backup from before it: playbooks/restore.yml -e backup={migration.backup_id}",
            )
        stage.journal.enter("MIGRATED")
        stage.journal.pause()
        return {"changed": True, "output": [stage.redact(line) for line in output], "backup": migration.backup_id}
