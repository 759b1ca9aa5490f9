#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Second stage of a deploy."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_migrate
short_description: Migrate the database with a prepared release
version_added: 1.0.0
description:
  - Runs the migration command in a one-off container of the new image with the new configuration, and waits for its end.
  - When it fails, or does not end in time, the container and the prepared release are removed. The live release serves on.
extends_documentation_fragment:
  - fairlead.fastapi.stage
  - fairlead.fastapi.stage.release
"""

EXAMPLES = r"""
- name: Migrate the database
  fairlead.fastapi.release_migrate:
    app: shop
    run: 5f0c2a
    owner: alice@laptop
    release: r12
"""

RETURN = r"""
output:
  description: What the migration printed, with secrets masked.
  returned: success
  type: list
  elements: str
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

from typing import List

from ansible_collections.fairlead.fastapi.plugins.module_utils import _docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._candidate import Candidate, describe_exit
from ansible_collections.fairlead.fastapi.plugins.module_utils._command import CommandTimeout, Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._database import find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._rules import migration_error_code
from ansible_collections.fairlead.fastapi.plugins.module_utils._stage import (
    RELEASE_OPTION,
    STAGE_OPTIONS,
    Result,
    Stage,
    main,
)

SERVICE = "migrate"
SHOWN_LINES = 20
_ADVICE = {
    "MIGRATION_FAILED": "mend the migration",
    "MIGRATION_LOCK": "it waited for a lock that another session held: end that session, or deploy when there is less traffic",
}


def migrate(stage: Stage) -> Result:
    """Run the migration to its end."""
    if stage.check_mode:
        return {"changed": True, "output": []}
    with stage.lock():
        stage.resume()
        stage.journal.enter("MIGRATING")
        with stage.steps.step("migrate"):
            output = _run(Candidate(stage.paths, stage.params["release"])).out.splitlines()
        stage.journal.enter("MIGRATED")
        stage.journal.pause()
        return {"changed": True, "output": [stage.redact(line) for line in output]}


def _run(candidate: Candidate) -> Finished:
    seconds = float(candidate.settings["migrate_seconds"])
    name = f"{candidate.project}-migrate"
    arguments = ("--profile", SERVICE, "run", "--rm", "--no-deps", "--no-TTY", "--name", name, SERVICE)
    try:
        done = _docker.compose(candidate.project, candidate.paths.bundle(candidate.id), *arguments, seconds=seconds, merge=True)
    except CommandTimeout as error:
        raise ReleaseError(
            "MIGRATION_TIMEOUT",
            f"the migration of {candidate.title} did not end within {seconds:g} s and was stopped",
            "look for a lock it waited for, or raise app_release_migrate_seconds; the release was not put into service",
            _evidence(candidate, error.details),
        ) from error
    finally:
        # Ending the Compose client does not end the container.
        _docker.remove(name)
    if done.code:
        code = migration_error_code(done.out)
        raise ReleaseError(
            code,
            f"the migration of {candidate.title} failed with exit code {describe_exit(done.code)}",
            f"{_ADVICE[code]}; its output is below. The release was not put into service",
            _evidence(candidate, done.out.splitlines()),
        )
    return done


def _evidence(candidate: Candidate, output: List[str]) -> List[str]:
    database = find_database(candidate.paths)
    transactions = [f"  {line}" for line in database.open_transactions()] if database else []
    return [*output[-SHOWN_LINES:], *(["open transactions in the database:", *transactions] if transactions else [])]


if __name__ == "__main__":
    main(migrate, {**STAGE_OPTIONS, **RELEASE_OPTION})
