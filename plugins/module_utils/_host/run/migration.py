# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A change of the database's schema: backed up, run to its end or ended, looked at afterwards."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Iterator, List, Optional, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import backup
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import CommandTimeout, Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Command
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations import schema
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.failure import ADVICE, invalid_index, migration_error_code
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.image import Image
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.schema import ALEMBIC
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database, State, described
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.log_hints import describe_exit
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

SHOWN_LINES = 20
# Between two tries the app's queries, which queued up behind the migration, are served.
PAUSE_SECONDS = 2.0


class MigrationRun:
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
        self._planned: List[str] = []
        self._limit = float(image.settings["migrate_seconds"])
        self._deadline: Optional[float] = None
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
                raise invalid_index("an earlier migration left", self._before.invalid)
            self._planned, now = list(planned), self._revision(self._before)
            if now != self._planned:
                raise ReleaseError(
                    "REVISION_CONFLICT",
                    f"the database was at {described(planned)} when this was planned, and is at {described(now)} now",
                    "run this again, which plans anew",
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
            taken = backup.take(self._stage.paths, self._database, "migration", release)
            self.backup_id = taken.id
            step.update(backup=taken.id, bytes=taken.bytes)
        self._stage.journal.enter("BACKED_UP")

    def has_pending(self) -> bool:
        """Ask the image's own command whether there is anything to do, where there is such a command; else there is.

        Raises:
            ReleaseError: MIGRATION_FAILED, also when the command changed the schema, MIGRATION_LOCK or MIGRATION_TIMEOUT.
        """
        command = self._image.settings["migrate_pending_command"]
        if self._image.tool == ALEMBIC or not command:
            return True
        with self._stage.steps.step("pending") as step:
            done = self._attempt(command, "migrate_pending_command", merge=False)
            step["pending"] = [line.strip() for line in done.out.splitlines() if line.strip()]
        if self._database is not None:
            now = self._revision(self._look())
            if now != self._planned:
                what = f"app_release_migrate_pending_command changed the schema, from {described(self._planned)} to {described(now)}"
                raise ReleaseError("MIGRATION_FAILED", what, "give it a command that only lists what is pending, or leave it empty")
        return bool(step["pending"])

    def run(self, command: Sequence[str], around: bool = False) -> List[str]:
        """Run a command of the migration tool, and return what was printed.

        Args:
            command: the words; none when there is nothing to migrate.
            around: run the image's commands before and after it as well.

        Raises:
            ReleaseError: MIGRATION_FAILED, MIGRATION_LOCK, MIGRATION_TIMEOUT, MIGRATION_PARTIAL; nothing of it runs any more.
        """
        self._stage.journal.enter("MIGRATING")
        output = self._beside("migrate_before_command") if around else []
        output += self._migrate(command) if command else []
        return output + (self._beside("migrate_after_command") if around else [])

    def _migrate(self, command: Sequence[str]) -> List[str]:
        """Run a command to its end, again when it gave up waiting for a lock."""
        tries = max(int(self._image.settings["migrate_lock_tries"]), 1)
        with self._stage.steps.step("migrate") as step:
            for attempt in range(1, tries + 1):
                step["tries"] = attempt
                done = self._attempt(command, "migrate_command")
                if not done.code:
                    break
                waited = migration_error_code(done.out) == "MIGRATION_LOCK"
                if not waited or attempt == tries or self._seconds_left() < PAUSE_SECONDS * attempt:
                    raise self._ended("migrate_command", done, attempt)
                time.sleep(PAUSE_SECONDS * attempt)
        return done.out.splitlines()

    def _beside(self, name: Command) -> List[str]:
        command = self._image.settings[name]
        if not command:
            return []
        with self._stage.steps.step(name.replace("_command", "")):
            return self._attempt(command, name).out.splitlines()

    def _attempt(self, command: Sequence[str], name: Command, merge: bool = True) -> Finished:
        """Run the command of a variable in what is left of the time for all. Only a migration may fail, to be tried again."""
        try:
            done = self._image.run(command, max(self._seconds_left(), 1.0), merge=merge)
        except CommandTimeout as error:
            how = f"did not end within {self._limit:g} s and was stopped"
            todo = "look for a lock it waited for, or raise app_release_migrate_seconds"
            raise self._failed("MIGRATION_TIMEOUT", name, how, todo, error.details) from error
        if done.code and name != "migrate_command":
            raise self._ended(name, done)
        return done

    def _seconds_left(self) -> float:
        """Return what is left of the time for all commands, which begins with the first."""
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._limit
        return self._deadline - now

    def _ended(self, name: Command, done: Finished, tries: int = 1) -> ReleaseError:
        output = done.out + done.err
        code = migration_error_code(output)
        how = f"failed with exit code {describe_exit(done.code)}" + (f" after {tries} tries" if tries > 1 else "")
        todo = ADVICE[code] if code != "MIGRATION_FAILED" or name == "migrate_command" else f"fix app_release_{name}, or what it runs"
        return self._failed(code, name, how, f"{todo}; its output is below", [*output.splitlines(), *self._without_entrypoint(name)])

    def _without_entrypoint(self, name: Command) -> List[str]:
        """Return what may be missing in the container of an image that usually starts with something else."""
        entrypoint = self._image.entrypoint
        if not entrypoint:
            return []
        shown = json.dumps([*entrypoint, *self._image.settings[name]])
        return [f"it was run without the image's entrypoint; if that prepares something which it needs: app_release_{name}: {shown}"]

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
            raise invalid_index("the migration left", after.invalid)
        self._protect()
        return self._revision(after)

    def _failed(self, code: str, name: Command, how: str, todo: str, output: List[str]) -> ReleaseError:
        who = f"the migration of {self._image.title}" if name == "migrate_command" else f"app_release_{name} of {self._image.title}"
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
            return invalid_index(f"{who} {how}, and left", invalid, details)
        return ReleaseError(code, f"{who} {how}", todo, details)

    def _way_back(self) -> List[str]:
        return [f"backup from before it: {self.backup_id} (playbooks/restore.yml -e backup={self.backup_id})"] if self.backup_id else []

    def _told(self, after: State) -> str:
        was, now = described(self._before.revision if self._before else ()), described(after.revision)
        return f"the database is at {now}, as before" if was == now else f"the database was at {was} and is at {now} now"

    def _revision(self, state: State) -> List[str]:
        return list(state.revision) if self._image.tool == ALEMBIC else [schema.CHECKSUM + self._known.schema_checksum()]

    def _protect(self) -> None:
        """Have the app's role only read the version table: a migration that makes one grants the role as much as on any other table."""
        self._known.protect(self._image.settings["migrate_version_table"])

    @property
    def _known(self) -> Database:
        """The database, for what is done only where there is one."""
        if self._database is None:
            raise AssertionError("nothing is known of the database")
        return self._database

    def _look(self) -> State:
        return self._known.look(self._image.settings["migrate_version_table"])
