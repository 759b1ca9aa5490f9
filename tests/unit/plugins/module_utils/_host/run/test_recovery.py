"""What a run left that failed or died is completed or cleared away; damaged records and routes are mended."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.state import previous_of
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.docker import is_kept_running
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import write_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.snapshot import observe
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.entry import PHASES
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.recovery import clear_away, recover
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from fakes import BUSY, container, good
from fakes_database import migration
from fakes_host import Host

BEFORE_THE_SWITCH = PHASES[: PHASES.index("SWITCHED")]
AFTER_THE_SWITCH = PHASES[PHASES.index("SWITCHED") : PHASES.index("COMMITTED")]


def recovered(host: Host) -> list[str]:
    """Recover as the next run does; a second time there is nothing left to do."""
    told = recover(host.paths, host.journal("run9"), observe(host.paths))[1]
    before, said = host.files(), list(host.engine.told)
    assert recover(host.paths, host.journal("run9"), observe(host.paths))[1] == []
    assert (host.files(), host.engine.told) == (before, said)
    return told


def running(host: Host) -> list[str]:
    return [name for name, one in host.engine.present.items() if one["State"]["Running"]]


@pytest.mark.parametrize("deployed", [[], ["v1"], ["v1", "v2"]])
def test_where_nothing_is_to_do_nothing_is_written(host: Host, deployed: list[str]) -> None:
    host.serves(*deployed) if deployed else None
    before = host.files()
    assert recovered(host) == []
    assert (host.files(), host.engine.told) == (before, [])


@pytest.mark.parametrize("phase", BEFORE_THE_SWITCH)
@pytest.mark.parametrize("first", [False, True])
def test_before_the_switch_the_release_goes(host: Host, phase: str, first: bool) -> None:
    if not first:
        host.serves("v1")
    release = host.died_at(phase)
    live, kept = (None, []) if first else ("r1", ["r1"])
    (told,) = recovered(host)
    assert told == f"RECOVERED: run run0 of bob@ci ended at {phase}; {release or 'it'} never went live and was cleared away"
    assert (host.live, list(host.engine.present), running(host)) == (live, kept, kept)
    assert (host.phases[-1], host.unfinished) == ("ABORTED", False)
    assert [path.name for path in host.paths.releases.iterdir()] == kept
    assert [path.name for path in host.paths.route.parent.iterdir() if path.is_dir()] == []
    if release:
        assert (host.record(release).status, host.record(release).reason) == ("failed", "INTERRUPTED")


@pytest.mark.parametrize(("phase", "may_run"), [("PREPARED", False), ("BACKED_UP", False), ("MIGRATING", True), ("STARTED", True)])
def test_what_may_still_run_of_a_migration_is_ended(host: Host, phase: str, may_run: bool) -> None:
    host.serves("v1")
    host.died_at(phase)
    host.engine.told.clear()
    recovered(host)
    container_first = ["remove container-r2-migrate"] if phase == "MIGRATING" else []
    ended = [*container_first, "end sessions of shop_migrator"] if may_run else []
    assert host.engine.told[: len(ended)] == ended
    assert ("end sessions of shop_migrator" in host.engine.told) is may_run


def test_of_a_rollback_it_is_the_live_releases_container(host: Host) -> None:
    host.serves("v1")
    host.migrates("v2", migration("0003", "0002"))
    journal = host.journal("run0")
    journal.begin("rollback", "r2")
    journal.enter("MIGRATING", "r1")
    host.engine.present["r2-migrate"] = container("r2", "migrate")
    recovered(host)
    assert (list(host.engine.present), running(host), host.live) == (["r1", "r2"], ["r2"], "r2")


@pytest.mark.parametrize("known", [True, False])
def test_clearing_up_needs_no_answer_from_the_database(host: Host, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable() -> list[str]:
        raise ReleaseError("DB_UNREACHABLE", "", "")

    host.serves("v1")
    host.died_at("MIGRATING")
    host.database.known = known
    monkeypatch.setattr(host.database, "end_migrations", unreachable)
    recovered(host)
    assert (host.statuses(), host.unfinished) == ({"r1": "live", "r2": "failed"}, False)


@pytest.mark.parametrize("phase", AFTER_THE_SWITCH)
@pytest.mark.parametrize("first", [False, True])
def test_after_the_switch_a_release_that_answers_is_completed(host: Host, phase: str, first: bool) -> None:
    if not first:
        host.serves("v1")
    release = str(host.died_at(phase))
    host.answers.of[release] = good(release)
    told = recovered(host)
    assert told[0] == f"RECOVERED: run run0 of bob@ci ended at {phase}; {release} is live and was completed"
    assert told[1:] == ([] if first else ["RECOVERED: r1 was running and is not live; it was stopped"])
    assert host.statuses() == ({"r1": "live"} if first else {"r1": "kept", "r2": "live"})
    assert (host.live, running(host), host.phases[-1]) == (release, [release], "COMMITTED")
    assert is_kept_running(host.engine.present[release])
    assert f"keep container-{release}" not in host.engine.told, "it was told that already"
    assert host.record(release).revision == "0002"


def test_a_release_that_died_with_its_run_before_it_was_kept_running(host: Host) -> None:
    host.serves("v1")
    host.died_at("READY")
    write_route(host.paths, "r2")  # the very next thing that a run does, before it writes so
    host.answers.of["r2"] = good("r2")
    recovered(host)
    assert (host.live, is_kept_running(host.engine.present["r2"]), host.statuses()) == ("r2", True, {"r1": "kept", "r2": "live"})


def does_not_answer(host: Host) -> None:
    host.answers.of["r2"] = BUSY


def ended(host: Host) -> None:
    host.engine.present["r2"]["State"].update(Running=False, Status="exited", ExitCode=1)


def is_gone(host: Host) -> None:
    del host.engine.present["r2"]


FAULTS = [(does_not_answer, "gave no 2 good answers"), (ended, "exited with code 1"), (is_gone, "is gone")]


@pytest.mark.parametrize("phase", AFTER_THE_SWITCH)
@pytest.mark.parametrize(("fault", "why"), FAULTS)
@pytest.mark.parametrize("old_runs", [True, False])
def test_after_the_switch_a_release_that_does_not_answer_is_put_back(
    host: Host, phase: str, fault: Callable[[Host], None], why: str, old_runs: bool
) -> None:
    host.serves("v1")
    host.died_at(phase)
    fault(host)
    host.engine.present["r1"]["State"]["Running"] = old_runs
    host.answers.of["r1"] = good("r1")
    told = recovered(host)
    assert told[0].startswith(f"RECOVERED: run run0 of bob@ci ended at {phase}; r2 does not answer (")
    assert why in told[0]
    assert told[0].endswith("so r1 was put back")
    assert (host.live, running(host), host.phases[-1]) == ("r1", ["r1"], "REVERTED")
    assert host.record("r1").status == "live"


@pytest.mark.parametrize(("fault", "why"), FAULTS)
@pytest.mark.parametrize("old", ["none", "does not answer either", "its bundle is gone"])
def test_with_none_to_go_back_to_the_route_stays(host: Host, fault: Callable[[Host], None], why: str, old: str) -> None:
    host.serves("v1")
    if old == "none":
        host.paths.route.unlink()
    host.died_at("SWITCHED")
    fault(host)
    host.answers.of["r1"] = BUSY
    if old == "its bundle is gone":
        (host.paths.bundle("r1") / "release.json").unlink()
    told = recover(host.paths, host.journal("run9"), observe(host.paths))[1]
    assert why in told[0]
    assert told[0].endswith("and there is none to go back to")
    assert (host.live, host.phases[-1], host.paths.bundle("r2").is_dir()) == ("r2", "COMMITTED", True)
    assert host.record("r2").status == "live"


def test_a_rollback_that_died_before_the_switch_only_stops_its_target(host: Host) -> None:
    host.serves("v1", "v2")
    journal = host.journal("run0", "bob@ci")
    journal.begin("rollback", "r2")
    for phase in ("PREPARED", "STARTED", "READY"):
        journal.enter(phase, "r1")
    host.engine.present["r1"]["State"]["Running"] = True
    recovered(host)
    assert (host.live, running(host), host.statuses()) == ("r2", ["r2"], {"r1": "kept", "r2": "live"})
    assert host.paths.bundle("r1").is_dir()
    assert host.engine.told == ["stop container-r1"]


def test_a_rollback_that_died_after_the_switch_is_completed(host: Host) -> None:
    host.serves("v1", "v2")
    journal = host.journal("run0", "bob@ci")
    journal.begin("rollback", "r2")
    for phase in ("PREPARED", "STARTED", "READY", "SWITCHED"):
        journal.enter(phase, "r1")
    host.engine.present["r1"]["State"]["Running"] = True
    write_route(host.paths, "r1")
    host.answers.of["r1"] = good("r1")
    recovered(host)
    assert (host.live, running(host), host.statuses()) == ("r1", ["r1"], {"r1": "live", "r2": "kept"})


def test_why_a_run_failed_is_kept_when_its_clearing_up_died(host: Host) -> None:
    host.serves("v1")
    host.died_at("STARTED")
    host.journal("run0").fail("NOT_READY", "said why")
    recovered(host)
    assert (host.record("r2").reason, host.entry.code, host.entry.message) == ("NOT_READY", "NOT_READY", "said why")


def test_what_runs_and_is_not_live_is_stopped_or_removed(host: Host) -> None:
    host.serves("v1", "v2")
    host.engine.present["r1"]["State"]["Running"] = True
    host.engine.present["r7"] = container("r7")  # nobody knows it
    host.paths.socket_dir("r7").mkdir()
    assert recovered(host) == [f"RECOVERED: {name} was running and is not live; it was stopped" for name in ("r1", "r7")]
    assert (running(host), list(host.engine.present)) == (["r2"], ["r1", "r2"])
    assert not host.paths.socket_dir("r7").exists()


def test_a_prepared_release_without_a_run_goes(host: Host) -> None:
    host.serves("v1")
    host.prepared("v2")
    assert recovered(host) == []
    assert (host.record("r2").status, host.record("r2").reason) == ("failed", "INTERRUPTED")
    assert not host.paths.bundle("r2").exists()


def test_what_was_being_written_when_a_process_was_killed_goes(host: Host, logins: Path) -> None:
    host.serves("v1")
    keep = host.files()
    litter = [
        host.paths.home / ".ledger.json.x1y2",
        host.paths.home / ".journal.json.spare",
        host.paths.route.parent / ".route.x1y2",
        host.paths.releases / ".r2.new" / "secrets" / "database_password",
        logins / "fairlead-registry-shop.x1y2" / "config.json",
    ]
    for file in litter:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("half")
    others = logins / "fairlead-registry-other.x1y2"
    others.mkdir()
    recovered(host)
    assert host.files() == keep
    assert list(logins.iterdir()) == [others]


@pytest.mark.parametrize(
    ("content", "was"),
    [
        (None, "the route was missing"),
        ("", "the route was '', which is no release here"),
        ("../../etc/passwd", "the route was '../../etc/passwd', which is no release here"),
        ("r9", "the route was 'r9', which is no release here"),  # dangling
        ("x" * 99, f"the route was '{'x' * 40}', which is no release here"),
    ],
)
@pytest.mark.parametrize("runs", [True, False])
def test_the_route_is_repaired_from_the_record(host: Host, content: str | None, was: str, runs: bool) -> None:
    host.serves("v1", "v2")
    host.engine.present["r2"]["State"]["Running"] = runs
    host.paths.route.unlink()
    if content is not None:
        host.paths.route.write_text(content)
    assert recovered(host) == [f"RECOVERED: {was}; it names r2 again"]
    assert (host.live, running(host), host.paths.route.stat().st_mode & 0o777) == ("r2", ["r2"], 0o644)


def test_a_live_release_whose_bundle_is_damaged_stays_live(host: Host) -> None:
    host.serves("v1", "v2")
    (host.paths.bundle("r2") / "release.json").write_text("{")
    assert recovered(host) == []
    assert (host.live, running(host)) == ("r2", ["r2"])


def test_a_route_to_a_release_that_is_gone_goes_to_the_last_that_served(host: Host) -> None:
    host.serves("v1", "v2")
    host.answers.of = {"r1": good("r1")}
    (host.paths.bundle("r2") / "release.json").unlink()
    del host.engine.present["r2"]
    assert recovered(host)[0] == "RECOVERED: the route was 'r2', which is no release here; it names r1 again"
    assert (host.live, running(host)) == ("r1", ["r1"])
    assert host.record("r1").status == "live"


def test_a_route_without_any_release_is_left_alone(host: Host) -> None:
    host.paths.route.write_text("r9\n")
    assert recovered(host) == []
    assert host.paths.route.read_text() == "r9\n"


def loses_record(host: Host) -> None:
    (host.paths.bundle("r2") / "release.json").unlink()


def loses_bundle(host: Host) -> None:
    shutil.rmtree(host.paths.bundle("r2"))


def garbles_record(host: Host) -> None:
    (host.paths.bundle("r2") / "release.json").write_text("{")


@pytest.mark.parametrize("damage", [loses_record, loses_bundle, garbles_record])
def test_a_dead_run_whose_bundle_was_damaged_is_completed(host: Host, damage: Callable[[Host], None]) -> None:
    host.serves("v1")
    host.died_at("SWITCHED")
    damage(host)
    told = recovered(host)
    assert "r2 is live and was completed" in told[0]
    assert (host.live, running(host), host.statuses()) == ("r2", ["r2"], {"r1": "kept", "r2": "live"})


@pytest.mark.parametrize("damage", [loses_record, loses_bundle, garbles_record])
def test_with_bundle_and_record_lost_together_users_keep_the_release_and_its_id_is_taken(
    host: Host, damage: Callable[[Host], None]
) -> None:
    host.serves("v1", "v2")
    damage(host)
    for file in (host.paths.ledger, previous_of(host.paths.ledger)):
        file.write_text("{")
    recovered(host)
    assert (host.live, running(host), host.statuses()) == ("r2", ["r2"], {"r1": "kept"})
    assert host.prepared("v3") == "r3"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", None])
@pytest.mark.parametrize("both", [False, True])
def test_a_damaged_ledger_is_rebuilt(host: Host, content: bytes | None, both: bool) -> None:
    host.serves("v1", "v2")
    for file in (host.paths.ledger, *([previous_of(host.paths.ledger)] if both else [])):
        file.unlink() if content is None else file.write_bytes(content)
    (told,) = recovered(host)
    assert told.startswith(f"STATE_REBUILT: {host.paths.ledger} is {'gone' if content is None else 'damaged'}")
    assert host.statuses() == {"r1": "kept", "r2": "live"}
    assert (host.live, running(host), host.engine.told) == ("r2", ["r2"], [])


def test_a_damaged_journal_is_repaired_and_its_run_cleared_away(host: Host) -> None:
    host.serves("v1")
    host.died_at("STARTED")
    host.paths.journal.write_text("{")
    first, second = recovered(host)
    assert first.startswith(f"STATE_REBUILT: {host.paths.journal} is damaged")
    assert "ended at MIGRATED; r2 never went live" in second, "as the copy before it said"
    assert (host.live, list(host.engine.present)) == ("r1", ["r1"])


def test_a_journal_without_any_copy_leaves_the_decision_to_the_route(host: Host) -> None:
    host.serves("v1")
    host.died_at("SWITCHED")
    for file in (host.paths.journal, previous_of(host.paths.journal)):
        file.write_text("{")
    host.answers.of["r2"] = good("r2")
    recovered(host)
    assert (host.live, running(host), host.statuses()) == ("r2", ["r2"], {"r1": "kept", "r2": "live"})


@pytest.mark.parametrize("content", [b"{", None])
@pytest.mark.parametrize("route", [None, "garbage", "r9"])
def test_with_route_and_record_lost_together_what_was_put_into_service_serves_on(
    host: Host, content: bytes | None, route: str | None
) -> None:
    host.serves("v1", "v2")
    release = host.prepared("v3")
    host.engine.up(host.paths.bundle(release))  # it runs too, and was not put into service yet
    host.paths.route.unlink()
    if route is not None:
        host.paths.route.write_text(route)
    for file in (host.paths.ledger, previous_of(host.paths.ledger)):
        file.unlink() if content is None else file.write_bytes(content)
    rebuilt, repaired = recovered(host)
    assert rebuilt.startswith("STATE_REBUILT")
    assert repaired.endswith("it names r2 again")
    assert (host.live, running(host), host.statuses()) == ("r2", ["r2"], {"r1": "kept", "r2": "live", "r3": "failed"})


def test_with_all_records_lost_and_nothing_running_the_newest_that_answers_serves(host: Host) -> None:
    host.serves("v1", "v2")
    host.answers.of = {"r1": good("r1"), "r2": BUSY}
    host.engine.present.clear()
    for file in (host.paths.route, host.paths.ledger, previous_of(host.paths.ledger)):
        file.unlink()
    assert recovered(host)[1].endswith("it names r1 again")
    assert (host.live, host.statuses()) == ("r1", {"r1": "live", "r2": "kept"})


@pytest.mark.parametrize("phase", PHASES[:-1])
def test_a_run_that_fails_clears_up_only_before_users_have_its_release(host: Host, phase: str) -> None:
    host.serves("v1")
    release = host.died_at(phase, run="run1")
    clear_away(host.paths, host.journal("run1"), "NOT_READY")
    if phase in AFTER_THE_SWITCH:
        assert (host.live, host.unfinished, host.engine.told) == ("r2", True, [])
    else:
        assert (host.live, host.phases[-1], list(host.engine.present)) == ("r1", "ABORTED", ["r1"])
        assert release is None or host.record(release).reason == "NOT_READY"


def test_clearing_up_after_nothing(host: Host) -> None:
    host.serves("v1")
    before = host.files()
    clear_away(host.paths, host.journal(), "NOT_READY")
    assert host.files() == before
