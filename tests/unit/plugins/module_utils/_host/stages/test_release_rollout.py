"""The switch: a release goes live when it is ready, and back when it does not hold what it promised."""

import json
import os
from dataclasses import replace

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.limits import MEGABYTE, Responses
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import Answer
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import ledger as _ledger
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import Ledger
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import Schema
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages import release_rollout
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages.release_rollout import run as rollout
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import Migration
from fakes import BUSY, fails, good, service
from fakes_database import migration
from fakes_host import Host
from fakes_proc import EDGE, Proc


@pytest.fixture
def ready_to_switch(host: Host) -> Host:
    """`r1` serves, `r2` is prepared by this run and will answer well."""
    host.serves("v1")
    host.holds("run1", release=host.prepared("v2"))
    host.answers.direct = [BUSY, good("r2")]
    host.answers.public = [good("r1"), good("r2")]  # one request more goes to the old release
    return host


def test_a_good_release_goes_live(ready_to_switch: Host) -> None:
    host = ready_to_switch
    stage = host.stage(release="r2")
    assert rollout(stage)["changed"] is True
    assert [step["step"] for step in stage.steps.done] == ["start", "ready", "switch", "verify", "bake"]
    assert host.live == "r2"
    assert host.phases[2:] == ["STARTED", "READY", "SWITCHED", "BAKED"]
    assert host.leased
    assert (host.record("r1").status, host.record("r2").status) == ("kept", "live")
    assert host.record("r2").revision == "0002"
    assert host.record("r2").container == "container-r2"
    assert host.engine.told == ["compose up shop-r2", "keep container-r2"], "the old release still runs: finish stops it"


def test_a_release_comes_back_after_a_crash_before_the_route_names_it(ready_to_switch: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host = ready_to_switch
    kept: list[list[str]] = []

    def write_route(paths: AppPaths, release: str) -> None:
        kept.append([words for words in host.engine.told if words.startswith("keep")])
        _ledger.write_route(paths, release)

    monkeypatch.setattr(release_rollout, "write_route", write_route)
    rollout(host.stage(release="r2"))
    assert kept == [["keep container-r2"]]


def test_answers_while_it_was_watched_are_counted(ready_to_switch: Host) -> None:
    host = ready_to_switch
    host.edge.counts = lambda: Responses(int(10 * host.clock.now), 2)
    switched = host.paths.route.stat().st_mtime
    stage = host.stage(release="r2")
    began = host.clock.now
    rollout(stage)
    bake = stage.steps.done[-1]
    assert host.clock.now - began >= 10
    assert bake["requests"] == pytest.approx(100, abs=20)
    assert bake["errors"] == 0
    assert host.edge.asked_since == switched, "what another release answered before is no measure"


def test_what_was_nearly_too_late_or_too_large_is_warned_of(ready_to_switch: Host) -> None:
    host = ready_to_switch
    host.engine.memory = 100 * MEGABYTE
    record = host.paths.bundle("r2") / "release.json"
    content = json.loads(record.read_text())
    content["settings"].update(memory_bytes=110 * MEGABYTE, ready_seconds=10)
    record.write_text(json.dumps(content))
    host.answers.direct = [BUSY] * 80 + [good("r2")]
    stage = host.stage(release="r2")
    rollout(stage)
    assert [warning.partition(":")[0] for warning in stage.warnings] == ["READY_LATE", "MEMORY_NEAR"]


def test_a_release_that_lost_processes_for_memory_is_not_switched_to(ready_to_switch: Host, proc: Proc) -> None:
    proc.memory(4711, 1)
    with fails("APP_EXIT") as caught:
        rollout(ready_to_switch.stage(release="r2"))
    assert "raise app_release_memory" in caught.value.todo
    assert "SWITCHED" not in ready_to_switch.phases


def test_a_socket_that_the_proxy_may_not_open_is_not_switched_to(ready_to_switch: Host, proc: Proc) -> None:
    host = ready_to_switch
    host.engine.projects["edge"] = [service("edge", "caddy", Pid=EDGE)]
    proc.identity(EDGE, os.getuid() + 1, os.getgid() + 1)
    host.paths.run_root.chmod(0o700)
    with fails("SOCKET_DENIED"):
        rollout(host.stage(release="r2"))
    assert "SWITCHED" not in host.phases
    assert host.live == "r1"


def start_fails(host: Host) -> None:
    host.engine.compose_leaves = Finished(1, "", "no such network")


def never_ready(host: Host) -> None:
    host.answers.direct = [BUSY]


def is_somebody_else(host: Host) -> None:
    host.answers.direct = [good("r7")]


def edge_does_not_follow(host: Host) -> None:
    host.answers.public = [good("r1")]


def edge_answers_badly(host: Host) -> None:
    host.answers.public = [Answer(502, {}, "")]


def crashes_after_the_switch(host: Host) -> None:
    def crashes() -> None:
        if host.live == "r2":
            host.engine.present["r2"]["RestartCount"] = 1

    host.clock.while_asleep = crashes


def is_busy_after_the_switch(host: Host) -> None:
    host.answers.direct = [good("r2"), good("r2"), BUSY]


def answers_errors_after_the_switch(host: Host) -> None:
    host.edge.counts = lambda: Responses(1000, 1) if host.live == "r1" else Responses(1000 + int(host.clock.now), int(host.clock.now))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (start_fails, "START_FAILED"),
        (never_ready, "NOT_READY"),
        (is_somebody_else, "WRONG_RELEASE"),
        (edge_does_not_follow, "VERIFY_FAILED"),
        (edge_answers_badly, "VERIFY_FAILED"),
        (crashes_after_the_switch, "BAKE_FAILED"),
        (is_busy_after_the_switch, "BAKE_FAILED"),
    ],
)
@pytest.mark.parametrize("first", [False, True])
def test_a_bad_release_leaves_everything_as_it_was(ready_to_switch: Host, fault: object, code: str, first: bool) -> None:
    host = ready_to_switch
    if first:
        host.paths.route.unlink()
    assert callable(fault)
    fault(host)
    with fails(code):
        rollout(host.stage(release="r2"))
    assert (host.live, host.unfinished) == (None if first else "r1", False)
    assert (host.phases[-1], host.entry.code) == ("REVERTED" if "SWITCHED" in host.phases else "ABORTED", code)
    assert (host.record("r2").status, host.record("r2").reason) == ("failed", code)
    assert list(host.engine.present) == ["r1"]
    assert not host.paths.bundle("r2").exists()


def test_a_release_that_answers_errors_is_put_back(ready_to_switch: Host) -> None:
    host = ready_to_switch
    answers_errors_after_the_switch(host)
    with fails("BAKE_FAILED") as caught:
        rollout(host.stage(release="r2"))
    assert "were answered with 5xx since the switch; before it 0% of 1000" in caught.value.what
    assert (host.live, host.phases[-1], list(host.engine.present)) == ("r1", "REVERTED", ["r1"])


def test_every_name_of_the_site_must_answer(ready_to_switch: Host) -> None:
    host = ready_to_switch
    host.has_site({"name": "shop.lab"}, {"name": "api.lab"}, {"name": "www.lab", "redirect": True})
    host.answers.public = [good("r2"), good("r1"), good("r2"), good("r2")]
    assert rollout(host.stage(release="r2"))["changed"] is True
    assert (host.live, host.answers.public) == ("r2", [good("r2")])


def test_requests_on_their_way_are_still_answered_by_a_release_that_is_put_back(ready_to_switch: Host) -> None:
    host = ready_to_switch
    edge_does_not_follow(host)
    stops: list[float] = []

    def noted(what: str, about: str) -> None:
        if what in ("stop", "remove"):
            stops.append(host.clock.now - put_back)

    with pytest.MonkeyPatch.context() as patch, fails("VERIFY_FAILED"):
        put_back = 0.0

        def write_route(paths: AppPaths, release: str | None) -> None:
            nonlocal put_back
            _ledger.write_route(paths, release)
            put_back = host.clock.now
            os.utime(paths.route, (put_back, put_back))

        patch.setattr(release_rollout, "write_route", write_route)
        patch.setattr(host.engine, "note", noted)
        rollout(host.stage(release="r2"))
    assert stops[0] == pytest.approx(0.5)


def test_a_rollback_target_that_fails_is_stopped_and_stays_a_target(host: Host) -> None:
    host.serves("v1", "v2")
    host.holds("run1", release="r1")
    host.answers.direct = [BUSY]
    with fails("NOT_READY"):
        rollout(host.stage(release="r1"))
    assert (host.live, host.record("r1").status) == ("r2", "kept")
    assert host.paths.bundle("r1").is_dir()
    assert host.engine.told[-1] == "stop container-r1"


AHEAD = "SCHEMA_AHEAD: r2 migrated the database from {} to 0003, where it stays; r1 serves with it"


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (Schema("alembic", ["0003"], before=["0002"]), AHEAD.format("0002")),
        (Schema("alembic", ["0003"], before=[]), AHEAD.format("no revision")),
        (Schema("alembic", ["0003"], before=["0003"]), None),
        (Schema("alembic", ["0003"]), None),  # nothing was pending
        (None, None),
    ],
)
def test_a_database_that_stays_migrated_is_warned_of(ready_to_switch: Host, schema: Schema | None, told: str | None) -> None:
    host = ready_to_switch
    ledger = Ledger(host.paths)
    ledger.get("r2").schema = schema
    ledger.save()
    never_ready(host)
    stage = host.stage(release="r2")
    with fails("NOT_READY"):
        rollout(stage)
    assert stage.warnings == ([told] if told else [])


MIGRATION = migration("0003", "0002")


@pytest.mark.parametrize(
    ("recorded", "given", "known"),
    [
        ([], [MIGRATION], [MIGRATION]),  # another host migrated
        ([MIGRATION], [replace(MIGRATION, impact="unknown")], [MIGRATION]),  # this one did
        ([], [], []),  # nothing was pending, or this is a rollback
    ],
)
def test_each_host_knows_what_was_migrated(
    ready_to_switch: Host, recorded: list[Migration], given: list[Migration], known: list[Migration]
) -> None:
    host = ready_to_switch
    Ledger(host.paths).note_schema("r2", Schema("alembic", ["0003"], recorded))
    rollout(host.stage(release="r2", migrations=[one.recorded() for one in given]))
    assert host.schema("r2").migrations == known


def test_without_the_lease_nothing_starts(ready_to_switch: Host) -> None:
    ready_to_switch.clock.now += 61
    with fails("LEASE_LOST"):
        rollout(ready_to_switch.stage(release="r2", run="run2"))
    assert (ready_to_switch.live, ready_to_switch.engine.told) == ("r1", [])


def test_check_mode_starts_nothing(ready_to_switch: Host) -> None:
    host = ready_to_switch
    before = host.files()
    assert rollout(host.stage(check_mode=True, release="r2")) == {"changed": True}
    assert (host.files(), host.engine.told) == (before, [])
