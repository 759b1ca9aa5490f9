"""What the model of random sequences says of single steps, and which rows it takes for lost."""

from random import Random

import pytest

from lab.rows import Backup, unlike_kept, unlike_restored
from lab.sequences import WEIGHTS, Model, Outcome, Step, drawn

KEPT = {"r1", "r2", "r3"}


def a_model(level: int, *tags: str) -> Model:
    """Releases r1, r2, … of these tags, deployed one after the other."""
    ids = [f"r{number}" for number in range(1, len(tags) + 1)]
    return Model(level, ids[-1], dict(zip(ids, tags, strict=True)), dict(zip(ids, [None, *ids], strict=False)), ours=set(ids))


@pytest.mark.parametrize(
    ("model", "step", "expected"),
    [
        (a_model(1, "v1"), Step("deploy", "v2"), Outcome("", 2, "")),
        (a_model(2, "v2"), Step("deploy", "v2"), Outcome("", 2, "r1")),
        (a_model(1, "v2"), Step("deploy", "v2"), Outcome("", 2, "")),
        (a_model(2, "v2"), Step("deploy", "contract"), Outcome("CONTRACT_BLOCKED", 2, "r1")),
        (a_model(2, "v2"), Step("deploy", "contract", allow=True), Outcome("", 5, "")),
        (a_model(3, "expand"), Step("deploy", "v1"), Outcome("", 3, "")),
        (a_model(4, "backfill"), Step("deploy", "v1"), Outcome("REVISION_CONFLICT", 4, "r1")),
        (a_model(1, "v1"), Step("deploy", "never_ready"), Outcome("NOT_READY", 2, "r1")),
        (a_model(1, "v1"), Step("deploy", "bad_migration"), Outcome("MIGRATION_FAILED", 1, "r1")),
        (a_model(3, "expand"), Step("deploy", "bad_migration"), Outcome("REVISION_CONFLICT", 3, "r1")),
        (a_model(1, "v1"), Step("rollback"), Outcome("NO_TARGET", 1, "r1")),
        (a_model(3, "v1", "expand"), Step("rollback"), Outcome("", 3, "r1")),
        (a_model(5, "v2", "contract"), Step("rollback"), Outcome("ROLLBACK_SCHEMA", 5, "r2")),
        (a_model(5, "v2", "contract"), Step("rollback", schema="keep"), Outcome("", 5, "r1")),
        (a_model(5, "v2", "contract"), Step("rollback", schema="downgrade"), Outcome("", 2, "r1")),
        (a_model(3, "v2", "expand"), Step("rollback", schema="downgrade"), Outcome("", 3, "r1")),
        (a_model(1, "v2", "expand"), Step("rollback", schema="downgrade"), Outcome("ROLLBACK_SCHEMA", 1, "r2")),
        (a_model(1, "v2", "expand"), Step("rollback", schema="keep"), Outcome("NOT_READY", 1, "r2")),
        (a_model(2, "v2"), Step("backup"), Outcome("", 2, "r1")),
    ],
    ids=lambda value: str(value) if isinstance(value, Step) else "",
)
def test_a_step_ends_as_the_rules_say(model: Model, step: Step, expected: Outcome) -> None:
    assert model.expected(step, KEPT) == expected


def test_a_restore_is_ready_where_the_live_release_finds_its_schema() -> None:
    model = a_model(3, "v1", "expand")
    assert model.expected(Step("restore"), KEPT, restored=1) == Outcome("NOT_READY", 1, "r2")
    assert model.expected(Step("restore"), KEPT, restored=3) == Outcome("", 3, "r2")


def test_every_kind_of_step_is_drawn_and_the_same_seed_draws_the_same() -> None:
    steps = [drawn(Random(f"1:{number}"), backups=3) for number in range(200)]
    assert {step.kind for step in steps} == set(WEIGHTS) - {"broken"}
    assert steps == [drawn(Random(f"1:{number}"), backups=3) for number in range(200)]


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({1, 2, 3}, ""),
        ({1, 2, 3, 4}, ""),
        ({1, 2}, "committed, and lost: [3]"),
        ({1, 2, 3, 5}, "never confirmed, or lost by an earlier restore, and there: [5]"),
    ],
)
def test_what_was_committed_is_there(found: set[int], problem: str) -> None:
    assert problem in "".join(unlike_kept([1, 2, 3], [4], found))
    assert bool(problem) == bool(list(unlike_kept([1, 2, 3], [4], found)))


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({1, 2}, ""),
        ({1, 2, 3, 8}, ""),
        ({1, 3, 8}, "in the backup, and not restored: [2]"),
        ({1, 2, 4}, "a later one is there without an earlier one"),
        ({1, 2, 6}, "committed after the backup, and there: [6]"),
        ({1, 2, 7}, "an earlier one is there without a later one"),
    ],
)
def test_a_restore_loses_what_came_after_its_backup_and_nothing_else(found: set[int], problem: str) -> None:
    """Committed before the backup: 1, 2; while it was made: 3, 4; after it: 6; during the restore: 7, 8."""
    backup = Backup("20260101T000000Z", 1, frozenset({1, 2}), (3, 4))
    problems = list(unlike_restored(backup, [7, 8], [5], found))
    assert problem in "".join(problems)
    assert bool(problem) == bool(problems)
