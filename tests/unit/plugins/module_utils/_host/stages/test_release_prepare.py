"""First stage of a deploy: everything is brought to the host, and nothing that users see changes."""

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import bundle as _bundle
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import bundle_write, dotenv
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import Ledger, write_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import Schema
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import preflight
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages.release_prepare import run as prepare
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from fakes import IMAGE, FakeRegistry, digest_of, fails, good
from fakes_database import NEWER, migration
from fakes_host import SECRET, Host, bundle, settings_with


def test_the_first_release_of_an_app(host: Host) -> None:
    stage = host.stage("v1")
    result = prepare(stage)
    assert (result["changed"], result["unchanged"], result["release"]["id"]) == (True, False, "r1")
    assert _bundle.read_record(host.paths, "r1").release.config_hash == bundle("v1").fingerprint()
    assert (host.live, host.phases, host.entry.release) == (None, ["PLANNED", "PREPARED"], "r1")
    assert host.leased
    assert [step["step"] for step in stage.steps.done] == ["preflight", "recover", "pull", "bundle", "plan"]
    assert stage.warnings == []
    assert SECRET not in str(result)


def test_the_next_release_remembers_the_one_before(host: Host) -> None:
    host.serves("v1")
    release = prepare(host.stage("v2"))["release"]
    assert (release["id"], release["previous"], release["tag"]) == ("r2", "r1", "v2")
    assert release["digest"] == digest_of("v2")
    assert host.live == "r1"


def test_the_same_again_writes_nothing(host: Host) -> None:
    host.serves("v1")
    before = host.files()
    result = prepare(host.stage("v1"))
    assert (result["changed"], result["unchanged"], result["release"]["id"]) == (False, True, "r1")
    assert (host.files(), host.engine.told) == (before, [])


@pytest.mark.parametrize(
    "difference",
    [
        {"environment": {"LOG_LEVEL": "debug"}},
        {"secrets": {"database_password": "new-secret"}},
        {"settings": settings_with(keep=9)},
        {"compose": "services: {api: {}}\n"},
        {"tag": "v2"},
    ],
)
def test_any_difference_is_a_new_release(host: Host, difference: dict[str, Any]) -> None:
    host.serves("v1")
    assert prepare(host.stage(**{"tag": "v1", **difference}))["release"]["id"] == "r2"


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_site_that_does_not_fit_is_found_before_anything_is_begun(host: Host, check_mode: bool) -> None:
    host.serves("v1")
    host.has_site()
    before = host.files()
    with fails("SITE_MISMATCH") as caught:
        prepare(host.stage(tag="v2", settings=settings_with(listen="tcp", domain="new.lab"), check_mode=check_mode))
    assert "(app_listen, app_port)" in caught.value.what
    assert "(app_domain, app_domains)" in caught.value.what
    assert (host.files(), host.engine.told) == (before, [])


def does_not_run(host: Host) -> None:
    host.engine.present["r2"]["State"]["Running"] = False


def would_not_start_at_boot(host: Host) -> None:
    host.engine.present["r2"]["HostConfig"]["RestartPolicy"]["Name"] = "no"


def is_gone(host: Host) -> None:
    del host.engine.present["r2"]


def was_edited(host: Host) -> None:
    (host.paths.bundle("r2") / "compose.yaml").write_text("services: {edited: {}}\n")


def has_another_environment(host: Host) -> None:
    host.engine.present["r2"]["Config"]["Env"] = ["LOG_LEVEL=debug"]


def is_not_reached(host: Host) -> None:
    host.edge.unreached = ["https://shop.lab/ready: HTTP 502"]


@pytest.mark.parametrize("broken", [does_not_run, would_not_start_at_boot, is_gone, was_edited, has_another_environment, is_not_reached])
@pytest.mark.parametrize("check_mode", [False, True])
def test_the_same_again_is_a_new_release_when_what_serves_is_not_what_was_deployed(
    host: Host, broken: Callable[[Host], None], check_mode: bool
) -> None:
    host.serves("v1", "v2")
    broken(host)
    result = prepare(host.stage("v2", check_mode))
    assert (result["unchanged"], result["release"]["id"]) == (False, "r3")


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_release_that_still_runs_beside_the_live_one_is_something_to_do(host: Host, check_mode: bool) -> None:
    host.serves("v1", "v2")
    host.engine.present["r1"]["State"]["Running"] = True
    assert prepare(host.stage("v2", check_mode))["changed"] is True
    assert host.engine.present["r1"]["State"]["Running"] is check_mode


@pytest.mark.parametrize("kind", ["service", "timer"])
def test_a_release_that_a_unit_stops_is_left_to_it(host: Host, kind: str) -> None:
    host.serves("v1", "v2")
    host.engine.present["r1"]["State"]["Running"] = True
    host.units.active.add(f"fairlead-retire-shop-r1.{kind}")
    stage = host.stage("v2")
    assert prepare(stage)["unchanged"]
    assert prepare(host.stage("v3"))["release"]["id"] == "r3"
    assert (host.engine.present["r1"]["State"]["Running"], stage.warnings) == (True, [])


def test_what_was_cut_since_the_last_run_is_warned_of_once(host: Host) -> None:
    host.serves("v1", "v2")
    host.paths.cut("r1").write_text('{"cut": 3, "at": "2026-11-27T03:00:00Z"}')
    told = [prepare_told(host), prepare_told(host)]
    assert [len(warnings) for warnings in told] == [1, 0]
    assert told[0][0].startswith("CUT: 3 requests to r1, at 2026-11-27T03:00:00Z,")


def prepare_told(host: Host) -> list[str]:
    """Deploy the same again, and return the warnings."""
    stage = host.stage("v2")
    assert prepare(stage)["changed"] is False
    return stage.warnings


def test_drift_is_warned_of(host: Host) -> None:
    host.serves("v1")
    was_edited_by_hand = host.paths.bundle("r1") / "app.env"
    was_edited_by_hand.write_text('LOG_LEVEL="debug"\n')
    stage = host.stage("v1")
    prepare(stage)
    assert [warning.partition(":")[0] for warning in stage.warnings] == ["DRIFT", "DRIFT"]
    assert f"{was_edited_by_hand} was edited" in stage.warnings[0]


@pytest.mark.parametrize("phase", ["SWITCHED", "BAKED"])
def test_the_same_again_completes_a_run_that_died_after_the_switch(host: Host, phase: str) -> None:
    host.serves("v1")
    host.died_at(phase, "v2")
    host.answers.of["r2"] = good("r2")
    stage = host.stage("v2")
    result = prepare(stage)
    assert (result["changed"], result["unchanged"], result["release"]["id"]) == (True, True, "r2")
    assert host.statuses() == {"r1": "kept", "r2": "live"}
    assert [name for name, one in host.engine.present.items() if one["State"]["Running"]] == ["r2"]
    assert any("r2 is live and was completed" in warning for warning in stage.warnings)
    again = prepare(host.stage("v2"))
    assert (again["changed"], again["unchanged"]) == (False, True)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (5, "5"),
        (0.5, "0.5"),
        (None, ""),
        ("['a']", "['a']"),
        (["https://a.example", "https://ü.example"], '["https://a.example", "https://ü.example"]'),
        ({"a": [1, True, None], "b": {}}, '{"a": [1, true, null], "b": {}}'),
        ([], "[]"),
    ],
)
def test_yaml_values_become_what_an_environment_carries(host: Host, value: object, text: str) -> None:
    given: dict[str, Any] = {name: {"VALUE": value} for name in ("environment", "secrets", "migrate_environment", "migrate_secrets")}
    prepare(host.stage(**given))
    for name in ("app.env", "migrate-app.env"):
        assert dotenv.parse((host.paths.bundle("r1") / name).read_text()) == {"VALUE": text}
    assert _bundle.read_secrets(host.paths, "r1") == {"VALUE": text, "migrate-VALUE": text}


@pytest.mark.parametrize("code", ["IMAGE_NOT_FOUND", "REGISTRY_AUTH", "REGISTRY_UNREACHABLE", "PULL_TIMEOUT"])
def test_a_tag_that_cannot_be_resolved_changes_nothing(host: Host, code: str) -> None:
    host.serves("v1")
    before = host.files()
    host.engine.failing["resolve"] = ReleaseError(code, "", "")
    with fails(code):
        prepare(host.stage("v9"))
    assert (host.files(), host.engine.told) == (before, [])


def test_a_failing_registry_is_reported_with_the_findings_on_the_host(host: Host) -> None:
    host.engine.networks_missing = ["shop"]
    host.engine.failing["resolve"] = ReleaseError("REGISTRY_UNREACHABLE", "", "")
    with fails("PREFLIGHT") as caught:
        prepare(host.stage("v1"))
    assert [line.partition(":")[0] for line in caught.value.details] == ["NETWORK_MISSING", "REGISTRY_UNREACHABLE"]


def test_an_image_for_another_platform_is_not_pulled(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeRegistry, "platforms", (("linux", "s390x"),))
    before = host.files()
    with fails("IMAGE_PLATFORM") as caught:
        prepare(host.stage("v1"))
    assert "was built for linux/s390x, this host is linux/amd64" in caught.value.what
    assert (host.files(), host.engine.told) == (before, [])


@pytest.mark.parametrize("code", ["REGISTRY_UNREACHABLE", "DISK_SPACE", "PULL_TIMEOUT"])
def test_a_failed_pull_ends_the_run(host: Host, code: str) -> None:
    host.serves("v1")
    before = host.files()
    host.engine.failing["pull"] = ReleaseError(code, "", "")
    with fails(code):
        prepare(host.stage("v9"))
    assert host.files_but_journal() == before
    assert (host.phases, host.entry.code, host.entry.release) == (["PLANNED", "ABORTED"], code, None)


def test_a_full_disk_while_writing_ends_the_run(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.serves("v1")

    def full(*_: object) -> None:
        raise ReleaseError("STATE_WRITE", "", "")

    with monkeypatch.context() as during, fails("STATE_WRITE"):
        during.setattr(bundle_write.Bundle, "write", full)
        prepare(host.stage("v2"))
    assert (host.live, host.unfinished) == ("r1", False)
    assert prepare(host.stage("v2", run="run2"))["release"]["id"] == "r3"
    assert host.record("r2").reason == "INTERRUPTED"


NO_ROOM = ReleaseError("DISK_SPACE", "no room", "free some")


@pytest.fixture
def room(host: Host, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have room for one more image as long as there are at most so many."""

    def prepare_room(images: int) -> None:
        monkeypatch.setattr(preflight, "disk", lambda *_: NO_ROOM if len(host.engine.images) > images else None)

    return prepare_room


def test_a_full_disk_is_reported_before_anything_is_pulled(host: Host, room: Callable[[int], None]) -> None:
    host.serves("v1")
    room(0)
    before = host.files()
    with fails("DISK_SPACE"):
        prepare(host.stage("v2"))
    assert (host.files(), host.engine.told) == (before, [])


def test_an_image_that_is_there_needs_no_room(host: Host, room: Callable[[int], None]) -> None:
    host.serves("v1")
    room(0)
    assert prepare(host.stage("v1", environment={}))["release"]["id"] == "r2"


@pytest.mark.parametrize(("room_for", "code"), [(2, None), (1, "DISK_SPACE")])
def test_retention_makes_room_first(host: Host, room: Callable[[int], None], room_for: int, code: str | None) -> None:
    settings = settings_with(keep=1)
    host.serves("v1", "v2", "v3", settings=settings)
    room(room_for)
    if code is None:
        prepare(host.stage("v4", settings=settings))
    else:
        with fails(code):
            prepare(host.stage("v4", settings=settings))
    assert host.statuses() == {"r1": "pruned", "r2": "kept", "r3": "live", **({} if code else {"r4": "prepared"})}
    assert f"remove image {IMAGE}@{digest_of('v1')}" in host.engine.told
    assert (host.unfinished, host.live) == (code is None, "r3")


@pytest.mark.parametrize("check_mode", [False, True])
def test_while_another_run_is_in_a_stage_nothing_is_done(host: Host, check_mode: bool) -> None:
    host.serves("v1")
    host.died_at("MIGRATING", run="run0", owner="bob@ci")
    before = host.files()
    with host.journal("run0").lock(), fails("LOCKED") as caught:
        prepare(host.stage("v1", check_mode))
    assert "bob@ci" in caught.value.what
    assert "(run run0, MIGRATING)" in caught.value.what
    assert (host.files(), host.engine.told) == (before, [])


def test_a_run_whose_controller_died_between_two_stages_is_taken_over(host: Host) -> None:
    host.serves("v1")
    host.holds("run0", "bob@ci", host.prepared("v2"))
    began = host.clock.now
    stage = host.stage("v2")
    assert prepare(stage)["release"]["id"] == "r3"
    assert host.clock.now - began == pytest.approx(60, abs=1)
    assert host.statuses() == {"r1": "live", "r2": "failed", "r3": "prepared"}
    waited, recovered = stage.warnings
    assert waited.startswith("WAITED: 60 s for the deploy of bob@ci (run run0, since ")
    assert recovered == "RECOVERED: run run0 of bob@ci ended at PREPARED; r2 never went live and was cleared away"


def test_another_run_is_waited_for_before_the_host_is_looked_at(host: Host) -> None:
    """Beside the other run's two releases there is no memory for a third."""
    host.serves("v1")
    other = host.journal("run0", "bob@ci", lease_seconds=1000)
    other.begin("deploy", "r1")
    other.pause()
    host.engine.networks_missing = ["shop"]

    def ends() -> None:
        if host.clock.now > 1030:
            host.clock.while_asleep = lambda: None
            other.end(None, "ABORTED")
            host.engine.networks_missing = []

    host.clock.while_asleep = ends
    stage = host.stage("v2", lock_wait=300)
    assert prepare(stage)["release"]["id"] == "r2"
    assert [step["step"] for step in stage.steps.done][:2] == ["wait", "preflight"]
    (waited,) = stage.warnings
    assert waited.startswith("WAITED: 30 s for the deploy of bob@ci")
    assert waited.endswith("which ended as ABORTED")


PENDING = {"revision": "0003", "down": ["0002"], "title": "Add a color", "sql": "ALTER TABLE items ADD color text;"}


@pytest.fixture
def newer(host: Host) -> Host:
    """`r1` serves; images have a migration that the database has not."""
    host.serves("v1")
    host.engine.alembic.history = Finished(0, NEWER, "")
    host.engine.alembic.sql["0002:head"] = Finished(0, f"BEGIN;\n-- Running upgrade 0002 -> 0003\n\n{PENDING['sql']}\n", "")
    return host


def test_what_the_database_lacks_is_planned_and_recorded(newer: Host) -> None:
    stage = newer.stage("v2")
    plan = prepare(stage)["plan"]
    known = {"tool": "alembic", "heads": ["0003"], "revision": ["0002"], "fresh": False, "unknown": "", "due": True}
    assert plan == {**known, "pending": [PENDING]}
    assert stage.steps.done[-1]["pending"] == ["0003"]
    assert newer.schema("r2") == Schema("alembic", ["0003"])
    assert newer.database.revision == ["0002"]


@pytest.mark.parametrize(
    ("difference", "revision", "asked"),
    [
        ({}, ["0002"], False),
        ({}, ["0001"], True),  # after a restore
        ({"environment": {"LOG_LEVEL": "debug"}}, ["0002"], True),  # env.py may read it
    ],
)
def test_an_image_that_was_planned_before_is_not_asked_again(
    host: Host, difference: dict[str, Any], revision: list[str], asked: bool
) -> None:
    host.serves("v1", "v2")
    host.database.revision = revision
    host.engine.alembic.history = Finished(1, "", "it was asked")
    plan = prepare(host.stage("v1", **difference))["plan"]
    assert (bool(plan["unknown"]), plan["due"]) == (asked, asked)
    assert host.schema("r3").heads == ([] if asked else ["0002"])


def test_an_image_that_does_not_fit_the_database_ends_the_run(host: Host) -> None:
    host.serves("v1")
    host.database.revision = ["other"]
    with fails("REVISION_CONFLICT"):
        prepare(host.stage("v2"))
    assert (host.statuses(), host.live, host.unfinished) == ({"r1": "live", "r2": "failed"}, "r1", False)


def test_check_mode_plans_and_leaves_nothing(newer: Host) -> None:
    before, image = newer.files(), f"{IMAGE}@{digest_of('v2')}"
    assert prepare(newer.stage("v2", check_mode=True))["plan"]["pending"] == [PENDING]
    assert newer.engine.told == [f"pull {image}", f"remove image {image}"]
    newer.engine.images.add(image)
    newer.engine.told.clear()
    newer.engine.alembic.history = Finished(1, "", "no such file")
    stage = newer.stage("v2", check_mode=True)
    assert [one["revision"] for one in prepare(stage)["plan"]["pending"]] == ["alembic upgrade head"]
    assert [warning.partition(":")[0] for warning in stage.warnings] == ["PLAN_UNKNOWN"]
    assert "no such file" in stage.warnings[0]
    assert (newer.files(), newer.engine.told) == (before, []), "an image that was here stays"


@pytest.mark.parametrize(
    ("revision", "unchanged"),
    [
        (["0002"], True),
        (["0003"], True),  # a later release's, which took nothing away
        (["0001"], False),  # an older backup was restored
        ([], False),
    ],
)
def test_the_same_again_is_a_new_release_when_the_database_is_behind(host: Host, revision: list[str], unchanged: bool) -> None:
    host.serves("v1")
    host.migrates("v2", migration("0003", "0002"))
    write_route(host.paths, "r1")
    Ledger(host.paths).mark_live("r1")
    for name, state in host.engine.present.items():
        state["State"]["Running"] = name == "r1"
    host.database.revision = revision
    assert prepare(host.stage("v1"))["unchanged"] is unchanged


@pytest.mark.parametrize(("tag", "unchanged", "release"), [("v1", True, "r1"), ("v2", False, "r2")])
def test_check_mode_reports_the_same_and_writes_nothing(host: Host, tag: str, unchanged: bool, release: str) -> None:
    host.serves("v1")
    host.engine.images.add(f"{IMAGE}@{digest_of(tag)}")
    before = host.files()
    planned = prepare(host.stage(tag, check_mode=True))
    assert (planned["unchanged"], planned["release"]["id"]) == (unchanged, release)
    assert host.files() == before
    assert host.engine.told == []
    done = prepare(host.stage(tag))
    assert (done["changed"], done.get("diff")) == (planned["changed"], planned.get("diff"))


def test_clocks_and_certificates_are_warned_of(host: Host) -> None:
    host.edge.certificate = "CERT_EXPIRY: soon"
    stage = host.stage("v1", controller_clock=1.0)
    prepare(stage)
    assert [warning.partition(":")[0] for warning in stage.warnings] == ["CLOCK_OFFSET", "CERT_EXPIRY"]


@pytest.mark.parametrize(("ready_path", "known", "told"), [("/health", True, True), ("/health", False, False), ("/ready", True, False)])
def test_a_ready_path_that_does_not_check_the_database_is_warned_of(host: Host, ready_path: str, known: bool, told: bool) -> None:
    host.database.known = known
    stage = host.stage("v1", settings=settings_with(ready_path=ready_path, migrate=False))
    prepare(stage)
    assert any(warning.startswith("READY_IS_LIVE: ") and "app_release_ready_path" in warning for warning in stage.warnings) is told


@pytest.mark.parametrize("code", ["DOCKER_DOWN", "COMMAND_MISSING"])
def test_without_an_engine_the_registry_is_not_asked(host: Host, code: str) -> None:
    host.engine.failing["engine"] = ReleaseError(code, "", "")
    host.engine.failing["resolve"] = ReleaseError("REGISTRY_UNREACHABLE", "", "")
    with fails(code):
        prepare(host.stage("v1"))


def test_a_host_that_is_not_ready_is_left_alone(host: Host) -> None:
    host.engine.networks_missing = ["shop"]
    before = host.files()
    with fails("NETWORK_MISSING"):
        prepare(host.stage("v1"))
    assert host.files() == before


KEEPS_DATA = settings_with(volumes=[{"name": "data", "path": "/data"}], tmpfs=["/tmp"])


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("fetched_before", [False, True])
def test_an_image_that_would_lose_what_it_writes_is_refused(host: Host, check_mode: bool, fetched_before: bool) -> None:
    host.serves("v1")
    host.engine.declared = ["/data"]
    if fetched_before:
        host.engine.images.add(f"{IMAGE}@{digest_of('v2')}")
    before, images = host.files_but_journal(), set(host.engine.images)
    with fails("VOLUME_UNMAPPED") as caught:
        prepare(host.stage("v2", check_mode))
    assert "app_volumes: [{name: data, path: /data, backup: true}]" in caught.value.todo
    assert host.engine.images == images
    assert {name: entry for name, entry in host.files_but_journal().items() if "journal" not in name} == before
    assert not [told for told in host.engine.told if told.startswith(("compose", "create"))]


def test_a_mapped_image_gets_its_volume_before_anything_of_it_runs(host: Host) -> None:
    host.engine.declared = ["/data"]
    stage = host.stage("v1", settings=KEEPS_DATA)
    prepare(stage)
    assert "create volume shop-data" in host.engine.told
    assert stage.warnings == []


def test_in_check_mode_no_volume_is_made(host: Host) -> None:
    host.engine.declared = ["/data"]
    prepare(host.stage("v1", check_mode=True, settings=KEEPS_DATA))
    assert host.engine.volumes == {}


def test_a_lost_volume_is_reported(host: Host) -> None:
    host.serves("v1", settings=KEEPS_DATA)
    stage = host.stage("v2", settings=KEEPS_DATA)
    prepare(stage)
    assert [warning.partition(":")[0] for warning in stage.warnings] == ["VOLUME_MISSING"]
    assert host.engine.volumes
