"""What is live is told as it is, and nothing is changed by asking."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.limits import MEGABYTE
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages.release_status import run as status
from fakes import BUSY, container, fails, good
from fakes_host import Host, settings_with
from fakes_proc import Proc


def test_nothing_is_live(host: Host) -> None:
    told = status(host.stage(strict=True))
    assert (told["live"], told["health"], told["previous"], told["run"]) == (None, "nothing is live", None, None)
    assert (told["drift"], told["maintenance"]) == ([], False)


def test_everything_is_reported_and_nothing_changes(host: Host) -> None:
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


def test_a_release_that_came_back_after_a_crash_is_reported(host: Host) -> None:
    host.serves("v1")
    host.answers.direct = [good("r1")]
    host.engine.present["r1"]["RestartCount"] = 3
    assert status(host.stage(strict=True))["health"] == "ready; restarted 3 times after it ended by itself"


def test_a_health_check_that_fails_is_reported(host: Host) -> None:
    host.serves("v1")
    host.answers.direct = [good("r1")]
    log = [{"Output": "ok"}, {"Output": "connection\n refused"}]
    host.engine.present["r1"]["State"]["Health"] = {"Status": "unhealthy", "Log": log}
    health = status(host.stage(strict=True))["health"]
    assert health == "ready; UNHEALTHY: the image's HEALTHCHECK fails: connection refused"


def test_processes_killed_for_memory_are_reported(host: Host, proc: Proc) -> None:
    host.serves("v1", settings=settings_with(memory_bytes=512 * MEGABYTE))
    host.answers.direct = [good("r1")]
    proc.memory(4711, 2)
    health = status(host.stage())["health"]
    assert health.startswith("2 processes of it were killed because its memory was full: raise app_release_memory (512 MB)")


def is_busy(host: Host, proc: Proc) -> None:
    host.answers.direct = [BUSY]


def was_short_of_memory(host: Host, proc: Proc) -> None:
    proc.memory(4711, 1)


def is_stopped(host: Host, proc: Proc) -> None:
    host.engine.present["r1"]["State"].update(Running=False, Status="exited")


@pytest.mark.parametrize(
    ("fault", "words"),
    [(is_busy, "r1: HTTP 503"), (was_short_of_memory, "r1: a process of it was killed"), (is_stopped, "r1: its container is exited")],
)
def test_what_is_wrong_with_the_live_release_is_a_failure_when_that_was_asked(
    host: Host, proc: Proc, fault: Callable[[Host, Proc], None], words: str
) -> None:
    host.serves("v1")
    host.answers.direct = [good("r1")]
    fault(host, proc)
    assert status(host.stage())["health"] != "ready"
    with fails("DRIFT") as caught:
        status(host.stage(strict=True))
    assert any(line.startswith(words) for line in caught.value.details), caught.value.details


def test_the_last_run_is_reported_with_its_outcome(host: Host) -> None:
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


def test_maintenance_is_reported(host: Host) -> None:
    host.paths.maintenance.touch()
    assert status(host.stage())["maintenance"] is True


def test_each_volume_is_reported_with_its_size(host: Host) -> None:
    volumes = [{"name": "data", "path": "/data", "backup": True}, {"name": "gone", "path": "/gone"}]
    host.serves("v1", settings=settings_with(volumes=volumes))
    host.answers.direct = [good("r1")]
    host.engine.create_volume("shop-data", "shop")
    (Path(host.engine.volumes["shop-data"]["Mountpoint"]) / "file").write_bytes(b"x" * 100_000)
    data, gone = status(host.stage())["volumes"]
    assert (data["name"], data["path"], data["backup"], data["complete"], data["problem"]) == ("shop-data", "/data", True, True, None)
    assert data["bytes"] >= 100_000
    assert (gone["name"], gone["bytes"], gone["backup"]) == ("shop-gone", None, False) and "not on this host" in gone["problem"]
    with fails("DRIFT") as caught:
        status(host.stage(strict=True))
    assert any("shop-gone" in line for line in caught.value.details)


def test_an_unreachable_live_release_is_reported_and_fails_with_strict(host: Host) -> None:
    host.serves("v1")
    host.answers.direct = [good("r1")]
    host.edge.unreached = ["https://shop.lab/ready: ConnectionRefusedError: [Errno 111] Connection refused"]
    told = status(host.stage())
    assert (told["health"], told["drift"]) == ("ready", [f"users do not reach the live release: {host.edge.unreached[0]}"])
    with fails("DRIFT") as caught:
        status(host.stage(strict=True))
    assert caught.value.details == told["drift"]
