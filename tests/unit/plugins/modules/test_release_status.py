"""What is live is told as it is, and nothing is changed by asking."""

import shutil
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.modules.release_status import status
from fakes import BUSY, container, fails, good
from fakes_host import Host


def test_nothing_is_live(host: Host) -> None:
    told = status(host.stage(strict=True))
    assert (told["live"], told["health"], told["previous"], told["run"]) == (None, "nothing is live", None, None)
    assert (told["drift"], told["maintenance"]) == ([], False)


def test_all_is_told_and_nothing_changed(host: Host) -> None:
    host.serves("v1", "v2")
    host.holds("run0", "bob@ci", host.prepared("v3"))
    host.answers.direct = [good("r2")]
    before = host.files()
    told = status(host.stage(strict=True))
    assert (told["live"]["id"], told["previous"]["id"], told["health"]) == ("r2", "r1", "ready")
    assert [release["id"] for release in told["releases"]] == ["r3", "r2", "r1"]
    run = {key: told["run"][key] for key in ("run", "owner", "action", "release", "phase", "code", "unfinished")}
    assert run == {
        "run": "run0",
        "owner": "bob@ci",
        "action": "deploy",
        "release": "r3",
        "phase": "PREPARED",
        "code": None,
        "unfinished": True,
    }
    assert told["drift"] == []
    assert (host.files(), host.engine.told) == (before, [])


@pytest.mark.parametrize(
    ("present", "health"),
    [
        ({}, "its container is gone"),
        ({"r1": container("r1", Running=False, Status="exited", ExitCode=3)}, "its container is exited (exit code 3)"),
        ({"r1": container("r1", Status="restarting", Restarting=True, ExitCode=1)}, "its container is restarting (exit code 1)"),
        ({"r1": container("r1")}, 'HTTP 503 {"status": "not ready"}'),
        ({"r1": {**container("r1"), "RestartCount": 2}}, 'HTTP 503 {"status": "not ready"}; restarted 2 times after it ended by itself'),
    ],
)
def test_what_is_wrong_with_the_live_release(host: Host, present: dict[str, Any], health: str) -> None:
    host.serves("v1")
    host.engine.present = present
    host.answers.direct = [BUSY]
    assert status(host.stage())["health"] == health


def test_a_release_that_came_back_after_a_crash_is_told(host: Host) -> None:
    host.serves("v1")
    host.answers.direct = [good("r1")]
    host.engine.present["r1"]["RestartCount"] = 3
    assert status(host.stage())["health"] == "restarted 3 times after it ended by itself"


def test_the_last_run_is_told_with_how_it_ended(host: Host) -> None:
    host.serves("v1")
    host.answers.direct = [good("r1")]
    host.died_at("READY")
    journal = host.journal("run0")
    journal.fail("NOT_READY", "")
    journal.end(None, "ABORTED")
    run = status(host.stage())["run"]
    assert (run["phase"], run["code"], run["unfinished"]) == ("ABORTED", "NOT_READY", False)


def test_damage_is_drift_until_the_next_run_rebuilds_it(host: Host) -> None:
    host.serves("v1")
    host.answers.direct = [good("r1")]
    host.paths.ledger.write_text("{")
    host.paths.journal.write_text("{")
    before = host.files()
    told = status(host.stage())
    assert [sentence.partition(" is damaged")[0] for sentence in told["drift"]] == [str(host.paths.ledger), str(host.paths.journal)]
    assert all(sentence.endswith("; the next run rebuilds it") for sentence in told["drift"])
    assert told["live"]["id"] == "r1"
    assert host.files() == before


def test_asked_strictly_drift_is_a_failure(host: Host) -> None:
    host.serves("v1")
    host.answers.direct = [good("r1")]
    (host.paths.bundle("r1") / "compose.yaml").write_text("services: {edited: {}}\n")
    (sentence,) = status(host.stage())["drift"]
    with fails("DRIFT") as caught:
        status(host.stage(strict=True))
    assert caught.value.details == [sentence]
    assert "in 1 ways" in caught.value.what


def test_a_live_release_without_its_bundle(host: Host) -> None:
    host.serves("v1")
    shutil.rmtree(host.paths.bundle("r1"))
    told = status(host.stage())
    assert told["health"] == "its bundle is damaged or gone"
    assert told["drift"] == [f"{host.paths.bundle('r1')} is damaged or gone, which r1 runs from"]


def test_maintenance_is_told(host: Host) -> None:
    host.paths.maintenance.touch()
    assert status(host.stage())["maintenance"] is True


def test_a_live_release_that_users_do_not_reach_is_told_and_asked_strictly_a_failure(host: Host) -> None:
    host.serves("v1")
    host.answers.direct = [good("r1")]
    host.edge.unreached = ["https://shop.lab/ready: ConnectionRefusedError: [Errno 111] Connection refused"]
    told = status(host.stage())
    assert (told["health"], told["drift"]) == ("ready", [f"users do not reach the live release: {host.edge.unreached[0]}"])
    with fails("DRIFT") as caught:
        status(host.stage(strict=True))
    assert caught.value.details == told["drift"]
