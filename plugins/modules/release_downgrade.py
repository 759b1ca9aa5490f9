#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stage of a rollback that undoes migrations, only where that was asked for."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_downgrade
short_description: Undo migrations before a rollback
version_added: 1.0.0
description:
  - Backs the database up, verifies the backup, and runs C(alembic downgrade) in a one-off container of the newer image, which has the
    way back.
  - What the migrations had added is lost from the database; it is in the backup. From here until the switch the live release may lack
    what it needs. Where users must not see that, turn the maintenance page on first.
  - When it fails, the live release serves on, and the message says what the database is at.
extends_documentation_fragment:
  - fairlead.fastapi.stage
  - fairlead.fastapi.stage.release
options:
  downgrade:
    description: What is to be undone, as M(fairlead.fastapi.release_target) returned it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Undo the migrations
  fairlead.fastapi.release_downgrade:
    app: shop
    run: 5f0c2a
    owner: alice@laptop
    release: r11
    downgrade: "{{ target.downgrade }}"
"""

RETURN = r"""
output:
  description: What the downgrade printed, with secrets masked.
  returned: success
  type: list
  elements: str
backup:
  description: Id of the backup from before it.
  returned: success
  type: str
steps:
  description: What was done, in order, with seconds.
  returned: always
  type: list
  elements: dict
code:
  description: Stable failure code.
  returned: failure
  type: str
serving:
  description: The release that users get now.
  returned: failure
  type: str
"""

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.schema import alembic_words
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import described, find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import read_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.migration import MigrationRun
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import RELEASE_OPTION, STAGE_OPTIONS, Result, Stage, main
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

OPTIONS = {**STAGE_OPTIONS, **RELEASE_OPTION, "downgrade": {"type": "dict", "required": True}}


def downgrade(stage: Stage) -> Result:
    """Bring the database back to what the target was made for."""
    if stage.check_mode:
        return {"changed": True, "output": [], "backup": None}
    wanted = stage.params["downgrade"]
    with stage.lock():
        stage.resume()
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


if __name__ == "__main__":
    main(downgrade, OPTIONS)
