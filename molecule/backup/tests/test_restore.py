"""Backups are brought back without a moment with no database, and nothing is half done."""

import pytest

from lab import hostile_database
from lab.backups import add, databases, folder, has, is_maintained, manifests, restore
from lab.story import DATA_ONLY, App


@pytest.mark.parametrize("variables", [{}, {"confirm": "shop"}])
def test_nothing_is_restored_without_confirmation(app: App, variables: dict[str, str]) -> None:
    before = app.fingerprint()
    app.play("restore", **variables).failed_with("NOT_CONFIRMED")
    assert app.fingerprint() == before and not is_maintained(app)


def test_the_live_database_goes_back_to_a_backup(app: App) -> None:
    add(app, "before")
    assert app.play("backup", "--check").succeeded().changed == 1
    app.play("backup").succeeded()
    add(app, "after")
    # What runs that were killed left: nobody has to remove it.
    app.sql(f"CREATE DATABASE {app.name}_restore_20260101t000000z")
    app.on_host("touch", f"{folder(app)}/20260101T000000Z.dump")
    before, running = app.fingerprint(), app.running()
    app.play("restore", "--check").succeeded()
    assert (app.fingerprint(), app.running()) == (before, running)
    play = restore(app).succeeded()
    again = app.running()
    assert again.keys() == running.keys() and all(again[name] != running[name] for name in again), "no pool is left from before"
    assert has(app, "before") and not has(app, "after")
    _, kept = databases(app)
    assert kept.startswith("backup_before_") and has(app, "after", kept)
    assert "20260101T000000Z.dump" not in app.on_host("ls", folder(app))
    assert f"the database {kept}" in play.unfolded and "Not in it: everything written after" in play.unfolded
    app.settle()
    assert manifests(app)[-1]["kind"] == "restore" and not is_maintained(app)
    # Whoever regrets it goes back to what was replaced.
    restore(app, backup=manifests(app)[-1]["id"]).succeeded()
    assert has(app, "after") and len(databases(app)) == 2
    app.settle()
    app.assert_tidy()


def test_a_backup_that_a_release_cannot_live_with_keeps_users_out(app: App) -> None:
    revision = app.revision
    app.sql("DELETE FROM alembic_version")
    app.play("backup").succeeded()
    app.sql(f"INSERT INTO alembic_version VALUES ('{revision}')")
    play = restore(app).failed_with("NOT_READY")
    assert is_maintained(app)
    assert "the backup is at no revision" in play.unfolded and "-e maintenance=off" in play.unfolded
    replaced = next(manifest["id"] for manifest in reversed(manifests(app)) if manifest["kind"] == "restore")
    restore(app, backup=replaced).succeeded()
    assert not is_maintained(app)
    app.settle()


@pytest.mark.fault(
    row=29,
    fault="a dump was damaged on the disk",
    code="BACKUP_DAMAGED",
    serves="the live release",
    says="which file",
)
def test_a_damaged_backup_is_refused(app: App) -> None:
    app.play("backup").succeeded()
    newest = manifests(app)[-1]["id"]
    app.on_host("dd", "if=/dev/zero", f"of={folder(app)}/{newest}.dump", "bs=1", "count=8", "seek=600", "conv=notrunc")
    before, there = app.fingerprint(), databases(app)
    restore(app).failed_with("BACKUP_DAMAGED")
    restore(app, backup="20200101T000000Z").failed_with("BACKUP_UNKNOWN")
    assert (app.fingerprint(), databases(app)) == (before, there) and not is_maintained(app)
    app.play("restore_drill").failed_with("DRILL_FAILED")
    assert "the last restore drill failed" in app.play("status").succeeded().unfolded
    app.on_host("sh", "-c", f"rm {folder(app)}/{newest}.*")
    app.play("restore_drill").succeeded()
    app.assert_tidy()


@pytest.mark.fault(
    row=120,
    fault="a migration leaves functions, operators, casts, settings and CHECKs that whoever reads or restores the database runs",
    code="–",
    serves="the live release",
    says="what a restore left out",
)
def test_nothing_that_a_migration_left_runs_as_a_superuser(app: App) -> None:
    migrator = f"{app.name}_migrator"
    # The migrator may not make it, so that no restore can.
    app.sql("CREATE EXTENSION pg_stat_statements")
    with hostile_database.planted(app):
        app.play("backup").succeeded()
        app.play("restore_drill").succeeded()
        restore(app).succeeded()
        app.play("provision", *DATA_ONLY).succeeded()
        # The generated column was made by a function that finds what it needs by search_path only.
        assert hostile_database.run_as(app, migrator, "SELECT plain FROM public.traps ORDER BY id") == "cafe\nthe"
    assert hostile_database.roles_that_ran(app) == {migrator, "fairlead_reader"}
    assert app.sql("SELECT rolname FROM pg_roles WHERE rolsuper") == "postgres"
    app.sql("DROP EXTENSION pg_stat_statements")
    app.settle()
    app.assert_tidy()
