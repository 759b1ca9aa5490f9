"""What the timer runs: backed up, few kept, copied, and told."""

import json

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import backup, drill, lookup, offsite, outcomes
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import scheduled as backups
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.program import main as program
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from fakes_backup import DATABASE, day, made, manifest


@pytest.fixture
def scheduled(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> AppPaths:
    """A host where backups succeed and go off it."""
    folder = outcomes.settings_file(paths).parent
    folder.mkdir()
    outcomes.settings_file(paths).write_text('{"keep": 1, "oldest_hours": 50, "restic": {"repository": "/repo", "keep": {"daily": 2}}}')
    (folder / "restic_environment.json").write_text('{"AWS_SECRET_ACCESS_KEY": "hidden-key"}')
    (folder / "restic_password").write_text("hidden-word")
    monkeypatch.setattr(lookup, "find_database", lambda _: DATABASE)
    monkeypatch.setattr(backup, "take", lambda paths, _, kind: manifest(made(paths, day(9), kind)))
    monkeypatch.setattr(offsite.Offsite, "copy", lambda *_: None)
    return paths


def test_a_scheduled_backup_is_kept_few_and_copied(scheduled: AppPaths) -> None:
    made(scheduled, day(1))
    told = backups.back_up(scheduled)
    assert (told["ok"], told["id"], told["removed"], told["offsite"]) == (True, day(9), [day(1)], "/repo")
    assert outcomes.outcomes(scheduled)["offsite"]["backup"] == day(9)


def test_a_copy_that_fails_does_not_keep_old_backups(scheduled: AppPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def copy(self: offsite.Offsite, *_: object) -> None:
        raise self._failed(["backup"], "failed with exit code 1", "Fatal: hidden-key is wrong\nand hidden-word")

    monkeypatch.setattr(offsite.Offsite, "copy", copy)
    made(scheduled, day(1))
    told = backups.back_up(scheduled)
    assert (told["ok"], told["removed"], told["offsite"]) == (False, [day(1)], None)
    assert told["failures"][0]["details"] == ["Fatal: ******** is wrong", "and ********"]
    assert "OFFSITE_FAILED" in (outcomes.problem(scheduled) or "")
    outcomes.settings_file(scheduled).write_text('{"keep": 1, "oldest_hours": 50, "restic": null}')
    assert backups.back_up(scheduled)["ok"]
    assert "OFFSITE_FAILED" not in (outcomes.problem(scheduled) or "")


def test_a_drill_by_the_timer(scheduled: AppPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def prove(_: AppPaths) -> drill.Proof:
        if broken:
            raise ReleaseError("DRILL_FAILED", "the restore drill failed", "do not rely on it")
        return drill.Proof(manifest(day(1)), 0.5, [])

    monkeypatch.setattr(drill, "prove", prove)
    monkeypatch.setattr(program, "AppPaths", lambda _: scheduled)
    broken = True
    assert program.main(["drill", "--app", "shop"]) == 0, "before the first backup there is nothing to prove"
    made(scheduled, day(1))
    capsys.readouterr()
    assert program.main(["drill", "--app", "shop"]) == 1
    assert "DRILL_FAILED" in capsys.readouterr().out
    broken = False
    assert program.main(["drill", "--app", "shop"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "app": "shop",
        "ok": True,
        "failures": [],
        "backup": day(1),
        "seconds": 0.5,
        "rows": 4,
        "bytes": 4,
        "left_out": [],
    }


def test_without_a_database_it_fails_with_a_message(
    scheduled: AppPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lookup, "find_database", lambda _: None)
    monkeypatch.setattr(program, "AppPaths", lambda _: scheduled)
    scheduled.backups.mkdir()
    assert program.main(["backup", "--app", "shop"]) == 1
    assert "DB_UNREACHABLE" in capsys.readouterr().out
    assert "DB_UNREACHABLE" in (outcomes.problem(scheduled) or "")
