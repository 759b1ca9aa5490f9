"""Random deploys, rollbacks, backups and restores, one after the other, while rows are written through the app.

Each sequence begins with v1 and its schema. `FAIRLEAD_SEQUENCES` says how many there are, `FAIRLEAD_STEPS` of how many steps,
`FAIRLEAD_SEED` which: the same seed and number is the same sequence again.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from lab import invariants
from lab.play import Play
from lab.rows import Backup, unlike_kept, unlike_restored
from lab.sequences import Model, Outcome, Step, drawn, revision_of
from lab.story import App
from lab.writer import Writer, rows

# By default one whose first sequence has a deploy that migrates and then fails, one that takes a column away, a downgrade, a restore.
SEED = os.environ.get("FAIRLEAD_SEED", "1622")
SEQUENCES = int(os.environ.get("FAIRLEAD_SEQUENCES", "1"))
STEPS = int(os.environ.get("FAIRLEAD_STEPS", "4"))
# The watch after the switch has stories of its own. A release that is never ready is waited for in some steps.
QUICK = {"app_release_bake_seconds": 0, "app_release_ready_seconds": 15}
SHOWN_FAILURES = 3


class Teller:
    """Does the steps, and compares what they come to with what they must."""

    def __init__(self, app: App, writer: Writer) -> None:
        assert app.revision == revision_of(1)
        live, records = app.live, app.releases
        tags = {release: record["tag"] for release, record in records.items()}
        previous = {release: record["previous"] for release, record in records.items()}
        self.app = app
        self.model = Model(level=1, live=live, tags=tags, previous=previous, ours={live})
        self.backups: list[Backup] = []
        self._writer = writer
        self._seen: set[str] = set(manifests(app))
        self._present: set[int] = set()
        self._taken = 0  # of the writer's confirmed rows, those in `_present` or lost by request
        self._page = False

    def begin(self) -> None:
        """Go back to v1 and its schema, and have a backup of it."""
        if self.backups:  # of an earlier sequence
            first = next(place for place, backup in enumerate(reversed(self.backups)) if backup.level == 1)
            self.tell(Step("restore", backup=first))
            self.tell(Step("deploy", "v1"))
        self.backups.clear()
        self.tell(Step("backup"))

    def tell(self, step: Step) -> None:
        """Do a step, and check everything that must hold after it. Raises AssertionError."""
        started = time.monotonic()
        restored = self.backups[-1 - step.backup] if step.kind == "restore" else None
        kept = {release for release, record in self.app.releases.items() if record["status"] in ("live", "kept")}
        expected = self.model.expected(step, kept, restored.level if restored else 0)
        print(f"  {step}: {expected.code or 'succeeds'}, the database at {revision_of(expected.level)}", end=" ", flush=True)
        known, before = set(self.app.releases), set(self._committed())
        self._present |= before
        doubtful = len(self._writer.written.doubtful)
        play = self._play(step, restored)
        _ = play.failed_with(expected.code) if expected.code else play.succeeded()
        self._check_releases(expected, step, known)
        self._note_backups(revision_of(self._level_before))
        page_was_up = self._page
        self._let_users_in(restored is not None)
        self._check_rows(restored)
        if not restored and not page_was_up:
            failed = dict(list(self._writer.written.doubtful.items())[doubtful:])
            assert not failed, f"{len(failed)} rows could not be written, the first: {list(failed.items())[:SHOWN_FAILURES]}"
        self._check_tidy()
        print(f"({time.monotonic() - started:.0f} s)", flush=True)

    def _play(self, step: Step, restored: Backup | None) -> Play:
        self._level_before = self.model.level
        if step.kind == "deploy":
            return self.app.deploy(step.tag, **({"allow_contract": True} if step.allow else {}))
        if step.kind == "rollback":
            return self.app.rollback(**({"schema": step.schema} if step.schema else {}))
        if restored:
            return self.app.play("restore", backup=restored.id, confirm=self.app.name)
        return self.app.play("backup")

    def _check_releases(self, expected: Outcome, step: Step, known: set[str]) -> None:
        live, revision = self.app.live, self.app.revision
        assert revision == revision_of(expected.level), f"the database is at {revision}"
        if expected.live:
            assert live == expected.live, f"{live} is live instead of {expected.live}"
        else:
            assert live not in known and self.app.releases[live]["tag"] == step.tag, f"{live} is live instead of a new {step.tag}"
        self.model.happened(expected, live, step.tag)

    def _note_backups(self, revision: str) -> None:
        during = tuple(self._writer.written.committed[self._taken :])
        for file in sorted(set(manifests(self.app)) - self._seen):
            self._seen.add(file)
            manifest = json.loads(self.app.on_host("cat", file))
            assert manifest["revision"] == [revision], f"{file} is of {manifest['revision']}, the database was at {revision}"
            self.backups.append(Backup(manifest["id"], self._level_before, frozenset(self._present), during))

    def _let_users_in(self, was_restored: bool) -> None:
        """The page stays up until the release is ready that a restore found not to be."""
        self._page = self._page or was_restored
        if not self._page or not self.model.is_ready:
            return
        if not was_restored:
            self.app.play("maintenance", maintenance="off").succeeded()
        self._writer.await_row()
        self._page = False

    def _check_rows(self, restored: Backup | None) -> None:
        during = self._committed()
        upto = during[-1] if during else max(self._present, default=0)
        found = {number for number in rows(self.app, self._writer.first) if number <= upto}
        doubtful = self._writer.written.doubtful
        problems = list(
            unlike_restored(restored, during, doubtful, found) if restored else unlike_kept({*self._present, *during}, doubtful, found)
        )
        assert not problems, "\n".join(problems)
        if restored:
            print(f"{len({*self._present, *during} - found)} rows lost by request", end=" ")
            # Now it is known what the backup holds.
            place = self.backups.index(restored)
            self.backups[place] = replace(restored, sure=frozenset(found - set(during)), maybe=())
        self._present = found

    def _check_tidy(self) -> None:
        if self.model.is_ready:
            self.app.assert_tidy()
            return
        facts = invariants.observe(self.app)
        found = [*invariants.untrue_records(facts), *invariants.leftovers(facts)]
        assert not found, "\n".join(found)

    def _committed(self) -> list[int]:
        """Return the rows that were confirmed since this was last asked."""
        fresh = self._writer.written.committed[self._taken :]
        self._taken += len(fresh)
        return fresh


@pytest.fixture(scope="session")
def app() -> App:
    """The app with quick settings."""
    return App("story", variables=QUICK)


def manifests(app: App) -> list[str]:
    """Return the files that say what the backups hold, oldest first."""
    place = f"/opt/fairlead/{app.name}/backups"
    return sorted(app.on_host("sh", "-c", f"if [ -d {place} ]; then find {place} -name '2*.json'; fi").split())


def go_to_the_start(app: App) -> None:
    """Have v1 live, made as the steps make releases, and its schema; also when sequences were told before."""
    if app.revision != revision_of(1):
        told = [json.loads(app.on_host("cat", file)) for file in manifests(app)]
        first = next(manifest for manifest in told if manifest["revision"] == [revision_of(1)])
        app.play("restore", backup=first["id"], confirm=app.name)
    app.deploy("v1").succeeded()
    if app.get("/items?limit=1")[0] != 200:
        app.play("maintenance", maintenance="off").succeeded()


@pytest.fixture(scope="session")
def teller(app: App) -> Iterator[Teller]:
    """Who does the steps, with rows written all the while."""
    go_to_the_start(app)
    with Writer(app) as writer:
        writer.await_row()
        yield Teller(app, writer)


@pytest.fixture(scope="session", autouse=True)
def the_invariants_hold(request: pytest.FixtureRequest, app: App) -> Iterator[None]:
    """In the end: as for every scenario, but whether a rollback is possible is told by the sequences themselves."""
    yield
    if not request.session.testsfailed:
        app.assert_tidy()
        invariants.assert_secrets_are_in_no_log(app)
        invariants.assert_same_again_changes_nothing(app)


@pytest.mark.parametrize("number", range(SEQUENCES))
def test_a_sequence_ends_as_the_rules_say(teller: Teller, number: int, capsys: pytest.CaptureFixture[str]) -> None:
    random = Random(f"{SEED}:{number}")
    with capsys.disabled():
        print(f"\nsequence {number} of FAIRLEAD_SEED={SEED}", flush=True)
        teller.begin()
        for _ in range(STEPS):
            teller.tell(drawn(random, len(teller.backups)))
        if not teller.model.is_settled:
            teller.tell(teller.model.settling)
