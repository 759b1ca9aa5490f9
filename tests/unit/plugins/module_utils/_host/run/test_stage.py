"""What all stages share: they recover first, clear up when they fail, and tell failures without secrets."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import Answer
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import site
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import find_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.snapshot import observe
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import stage as _stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import MASK, ReleaseError, printable_in
from fakes import IMAGE, Answers, fails, good
from fakes_host import SECRET, Host, bundle, write


def test_what_was_recovered_is_warned_of(host: Host) -> None:
    host.serves("v1")
    host.died_at("STARTED")
    stage = host.stage()
    with stage.lock():
        recovered = stage.recover(observe(host.paths))
    assert len(stage.told) == 1
    assert stage.told[0].startswith("RECOVERED: run run0 of bob@ci ended at STARTED")
    assert stage.warnings == stage.told == stage.steps.done[0]["told"]
    assert [release.status for release in recovered.ledger.releases] == ["live", "failed"]


def test_what_serves_is_what_users_get(host: Host) -> None:
    assert _stage.serving(host.paths) == "nothing (no release is live here)"
    host.serves("v1")
    assert _stage.serving(host.paths) == f"r1 ({IMAGE}:v1)"
    host.edge.unreached = ["https://shop.lab/ready: HTTP 502"]
    assert _stage.serving(host.paths) == f"r1 ({IMAGE}:v1) by the record, but users do not reach it: https://shop.lab/ready: HTTP 502"


@pytest.mark.parametrize(
    ("answer", "problems"),
    [
        (good("r1"), []),
        (good("r0"), ["https://shop.lab/ready: HTTP 200, but from release r0 instead of r1 (header:X-Release)"]),
        (Answer(error="ConnectionRefusedError: refused"), ["https://shop.lab/ready: ConnectionRefusedError: refused"]),
    ],
)
def test_the_live_release_is_asked_for_as_users_do(
    paths: AppPaths, answers: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer, problems: list[str]
) -> None:
    monkeypatch.setattr(site, "EDGE", tmp_path)
    assert _stage.unreached(paths, find_record(paths, "r1")) == [], "a damaged bundle does not say what to ask for"
    write(bundle("v1"), paths, "r1")
    answers.public = [answer]
    assert _stage.unreached(paths, find_record(paths, "r1")) == problems
    paths.maintenance.write_text("<p>back soon")
    assert _stage.unreached(paths, find_record(paths, "r1")) == []


def test_a_later_stage_needs_the_lease_of_its_run(host: Host) -> None:
    with fails("LEASE_LOST"):
        host.stage().resume()
    host.holds("run1")
    host.stage().resume()
    with fails("LEASE_LOST"):
        host.stage(run="run2").resume()


def fails_in_a_stage(host: Host, **params: Any) -> ReleaseError:
    with fails("NOT_READY") as caught, host.stage(**params).lock():
        raise ReleaseError("NOT_READY", f"not ready: {SECRET}", "mend it", [SECRET])
    return caught.value


def test_a_failure_ends_the_run_and_clears_its_release_away(host: Host) -> None:
    host.serves("v1")
    host.died_at("READY", run="run1")
    error = fails_in_a_stage(host)
    assert (host.phases[-1], host.entry.code, host.entry.message) == ("ABORTED", "NOT_READY", error.message)
    assert SECRET not in str(host.entry), "known only from the bundle, which is gone now"
    assert MASK in error.message
    assert (host.record("r2").status, host.record("r2").reason) == ("failed", "NOT_READY")
    assert (list(host.engine.present), host.paths.bundle("r2").exists(), host.live) == (["r1"], False, "r1")


def test_a_failure_after_the_switch_leaves_what_users_have(host: Host) -> None:
    host.serves("v1")
    host.died_at("BAKED", run="run1")
    fails_in_a_stage(host)
    assert (host.live, host.record("r2").status, host.paths.bundle("r2").is_dir()) == ("r2", "live", True)
    assert host.unfinished, "the next run completes it"
    assert (host.entry.phase, host.entry.code, host.entry.expires) == ("BAKED", "NOT_READY", None)


def test_the_failure_of_another_run_is_not_written_down(host: Host) -> None:
    host.serves("v1")
    host.died_at("READY", run="run1")
    before = host.files()
    fails_in_a_stage(host, run="run2")
    assert host.files() == before


def test_a_failure_in_check_mode_writes_nothing(host: Host) -> None:
    host.serves("v1")
    host.died_at("READY", run="run1")
    before = host.files()
    fails_in_a_stage(host, check_mode=True)
    assert host.files() == before


def test_without_an_engine_the_failure_is_reported_all_the_same(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.serves("v1")
    host.died_at("READY", run="run1")
    host.engine.failing["remove"] = ReleaseError("DOCKER_DOWN", "", "")
    fails_in_a_stage(host)
    assert (host.entry.code, host.unfinished) == ("NOT_READY", True)
    host.engine.failing.clear()
    stage = host.stage(run="run2")
    with stage.lock():
        stage.recover(observe(host.paths))
    assert (host.record("r2").reason, list(host.engine.present)) == ("NOT_READY", ["r1"])


@pytest.mark.parametrize(
    ("given", "secret"),
    [
        ({"secrets": {"database_password": SECRET}}, SECRET),
        ({"secrets": {"pin": 123456, "none": None}}, "123456"),  # YAML made it a number
        ({"registry_password": "r3gistry"}, "r3gistry"),
        ({"migrate_secrets": {"database_password": "m1grator"}}, "m1grator"),
        ({"release": "r1"}, SECRET),  # known only from the bundle
        ({"release": "r1"}, "of-m1grations"),
    ],
)
def test_a_failure_shows_everything_but_secrets(host: Host, given: dict[str, Any], secret: str) -> None:
    host.serves("v1", migrate_secrets={"database_password": "of-m1grations"})
    error = ReleaseError("APP_EXIT", f"exited: {secret}", "mend it", ["log:", f"connect with {secret} None"])
    result = _stage.failure(error, host.stage(**given))
    assert result["msg"].splitlines() == [
        f"APP_EXIT: exited: {MASK}",
        "Serving now: r1 (registry.lab:5000/shop/api:v1)",
        "To do: mend it",
        "Evidence:",
        "  log:",
        f"  connect with {MASK} None",
    ]
    assert (result["code"], result["serving"], result["steps"]) == ("APP_EXIT", "r1 (registry.lab:5000/shop/api:v1)", [])


@pytest.mark.parametrize(
    ("record", "serves"),
    [
        ("{", "r1 (registry.lab:5000/shop/api:v1)"),  # as the bundle says
        ('{"schema": 99}', "r1"),
    ],
)
def test_the_serving_release_is_named_also_when_the_record_is_damaged(host: Host, record: str, serves: str) -> None:
    assert _stage.serving(host.paths) == "nothing (no release is live here)"
    host.serves("v1")
    host.paths.ledger.write_text(record)
    assert _stage.serving(host.paths) == serves


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("record", ["journal", "ledger"])
def test_a_record_of_another_version_is_reported_and_left_alone(host: Host, record: str, check_mode: bool) -> None:
    host.serves("v1")
    file = host.paths.journal if record == "journal" else host.paths.ledger
    file.write_text('{"schema": 99}')
    before = host.files()
    stage = host.stage(check_mode=check_mode)
    with fails("STATE_SCHEMA") as caught, stage.lock():
        stage.recover(observe(host.paths))
    result = _stage.failure(caught.value, stage)
    assert (result["code"], result["msg"].splitlines()[0].partition(" was")[0]) == ("STATE_SCHEMA", f"STATE_SCHEMA: {file}")
    assert host.files() == before


def test_a_failure_without_any_directory_is_reported(host: Host) -> None:
    shutil.rmtree(host.paths.home)
    shutil.rmtree(host.paths.route.parent)
    result = _stage.failure(ReleaseError("NOT_PROVISIONED", "nothing here", "provision"), host.stage())
    assert result["msg"].splitlines()[1] == "Serving now: nothing (no release is live here)"


def test_a_stage_needs_a_provisioned_host(host: Host) -> None:
    host.paths.route.parent.rmdir()
    with fails("NOT_PROVISIONED"), host.stage().lock():
        pass


NOISE = "\x1b[2J\x00\u202enoise"
QUIET = r"\x1b[2J\x00\u202enoise"


def quotes(stage: _stage.Stage) -> _stage.Result:
    stage.warnings.append(f"WARNED: {NOISE}")
    with stage.steps.step("look") as step:
        step["told"] = [NOISE]
    return {"health": NOISE, "drift": [NOISE], "plan": {"pending": [{"sql": "-- a comment\rDROP TABLE items"}]}}


def fails_quoting(stage: _stage.Stage) -> _stage.Result:
    quotes(stage)
    raise ReleaseError("NOT_READY", NOISE, NOISE, [NOISE])


@pytest.mark.parametrize("work", [quotes, fails_quoting])
def test_what_leaves_a_stage_is_printable_but_for_the_sql_that_is_judged(host: Host, monkeypatch: pytest.MonkeyPatch, work: Any) -> None:
    result = _stage.perform(work, {"app": "shop"}, check_mode=False)
    assert result.get("failed", False) is (work is fails_quoting)
    plan = result.pop("plan", None)
    assert json.dumps(result, ensure_ascii=False).count(json.dumps(QUIET)[1:-1]) >= 3
    assert printable_in(result) == result
    assert plan is None or plan["pending"][0]["sql"] == "-- a comment\rDROP TABLE items"
