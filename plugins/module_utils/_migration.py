# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A change of the database's schema: backed up, run to its end or ended, looked at afterwards.  Private to this collection."""

from __future__ import annotations

import contextlib
import time
from typing import Iterator, List, Optional, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils import _backup, _schema
from ansible_collections.fairlead.fastapi.plugins.module_utils._candidate import describe_exit
from ansible_collections.fairlead.fastapi.plugins.module_utils._command import CommandTimeout
from ansible_collections.fairlead.fastapi.plugins.module_utils._database import Database, State, described
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._plan import Image
from ansible_collections.fairlead.fastapi.plugins.module_utils._rules import migration_error_code
from ansible_collections.fairlead.fastapi.plugins.module_utils._schema import ALEMBIC
from ansible_collections.fairlead.fastapi.plugins.module_utils._stage import Stage

SHOWN_LINES = 20
# Between two tries the app's queries, which queued up behind the migration, are served.
PAUSE_SECONDS = 2.0
_ADVICE = {
    "MIGRATION_FAILED": "mend the migration",
    "MIGRATION_LOCK": "it waited for a lock that another session held: end that session, or deploy when there is less traffic",
}


class Migration:
    """One run of an image's migration tool.

    Args:
        stage: that it is a part of; its journal and steps tell how far it came.
        image: whose migrations are run, upwards or downwards.
        database: the app's; None when nothing is known of it, and then nothing can be looked at.
    """

    def __init__(self, stage: Stage, image: Image, database: Optional[Database]) -> None:
        self._stage = stage
        self._image = image
        self._database = database
        self._before: Optional[State] = None
        self.backup_id: Optional[str] = None

    @contextlib.contextmanager
    def alone(self, planned: Sequence[str]) -> Iterator[None]:
        """Be the only runner of migrations at this database, in the state that was planned for.

        Args:
            planned: the revision that the database had when the change was planned.

        Raises:
            ReleaseError: MIGRATION_BUSY, MIGRATION_PARTIAL, REVISION_CONFLICT, DB_UNREACHABLE.
        """
        if self._database is None:
            yield
            return
        with self._database.sole_migrator():
            self._before = self._look()
            if self._before.invalid:
                raise self._partial("an earlier migration left", self._before.invalid)
            now = self._revision(self._before)
            if now != list(planned):
                raise ReleaseError(
                    "REVISION_CONFLICT",
                    f"the database was at {described(planned)} when this was planned, and is at {described(now)} now",
                    "run this again: it is planned anew",
                )
            self._protect()
            yield

    def back_up(self, release: Optional[str]) -> None:
        """Back the database up, and have the backup verified.

        Args:
            release: the live one, which the backup belongs to.

        Raises:
            ReleaseError: BACKUP_FAILED or DISK_SPACE.
        """
        if self._database is None:
            return
        with self._stage.steps.step("backup") as step:
            taken = _backup.take(self._stage.paths, self._database, "migration", release)
            self.backup_id = taken["id"]
            step.update(backup=taken["id"], bytes=taken["bytes"])
        self._stage.journal.enter("BACKED_UP")

    def run(self, command: Sequence[str]) -> List[str]:
        """Run a command of the migration tool to its end, again when it gave up waiting for a lock; return what it printed.

        Raises:
            ReleaseError: MIGRATION_FAILED, MIGRATION_LOCK, MIGRATION_TIMEOUT, MIGRATION_PARTIAL; nothing of it runs any more.
        """
        settings = self._image.settings
        limit, tries = float(settings["migrate_seconds"]), max(int(settings["migrate_lock_tries"]), 1)
        deadline = time.monotonic() + limit
        self._stage.journal.enter("MIGRATING")
        with self._stage.steps.step("migrate") as step:
            for attempt in range(1, tries + 1):
                step["tries"] = attempt
                try:
                    done = self._image.run(command, max(deadline - time.monotonic(), 1.0), merge=True)
                except CommandTimeout as error:
                    raise self._failed(
                        "MIGRATION_TIMEOUT",
                        f"did not end within {limit:g} s and was stopped",
                        "look for a lock it waited for, or raise app_release_migrate_seconds",
                        error.details,
                    ) from error
                if not done.code:
                    break
                code = migration_error_code(done.out)
                if code != "MIGRATION_LOCK" or attempt == tries or time.monotonic() + PAUSE_SECONDS * attempt > deadline:
                    how = f"failed with exit code {describe_exit(done.code)}" + (f" after {attempt} tries" if attempt > 1 else "")
                    raise self._failed(code, how, f"{_ADVICE[code]}; its output is below", done.out.splitlines())
                time.sleep(PAUSE_SECONDS * attempt)
        return done.out.splitlines()

    def revision(self) -> List[str]:
        """Return what the database is at afterwards, with nothing of the migration left in it; empty when that is not known.

        A session that would not end is warned of: the migration itself is done.

        Raises:
            ReleaseError: MIGRATION_PARTIAL when there are indexes that do not work.
        """
        if self._database is None:
            return []
        left = self._database.end_migrations()
        if left:
            self._stage.warnings.append(f"SESSION_LEFT: the migration is done, and sessions of it did not end: {'; '.join(left)}")
        after = self._look()
        if after.invalid:
            raise self._partial("the migration left", after.invalid)
        self._protect()
        return self._revision(after)

    def _failed(self, code: str, how: str, todo: str, output: List[str]) -> ReleaseError:
        details = output[-SHOWN_LINES:]
        invalid: Sequence[str] = ()
        if self._database is not None:
            transactions = [f"  {line}" for line in self._database.open_transactions()]
            details += ["open transactions in the database:", *transactions] if transactions else []
            try:
                left = self._database.end_migrations()
                after = self._look()
            except ReleaseError as error:
                details.append(f"{error.code}: {error.what}")
            else:
                details += [f"a session of it is still there: {line}" for line in left]
                details.append(self._told(after))
                invalid = after.invalid
        details += self._way_back()
        if invalid:
            return self._partial(f"the migration {how}, and left", invalid, details)
        return ReleaseError(code, f"the migration of {self._image.title} {how}", todo, details)

    def _way_back(self) -> List[str]:
        return [f"backup from before it: {self.backup_id} (playbooks/restore.yml -e backup={self.backup_id})"] if self.backup_id else []

    def _told(self, after: State) -> str:
        was, now = described(self._before.revision if self._before else ()), described(after.revision)
        return f"the database is at {now}, as before" if was == now else f"the database was at {was} and is at {now} now"

    def _partial(self, who: str, indexes: Sequence[str], details: Sequence[str] = ()) -> ReleaseError:
        return ReleaseError(
            "MIGRATION_PARTIAL",
            f"{who} what does not work: index {', '.join(indexes)}",
            "drop it as below, then deploy again; until then no migration is run",
            [*details, *(f"DROP INDEX CONCURRENTLY {index};" for index in indexes)],
        )

    def _revision(self, state: State) -> List[str]:
        assert self._database is not None
        return list(state.revision) if self._image.tool == ALEMBIC else [_schema.CHECKSUM + self._database.schema_checksum()]

    def _protect(self) -> None:
        """Have the app's role only read the version table: a migration that makes one grants the role as much as on any other table."""
        assert self._database is not None
        self._database.protect(self._image.settings["migrate_version_table"])

    def _look(self) -> State:
        assert self._database is not None
        return self._database.look(self._image.settings["migrate_version_table"])
