"""First stage of a rollback: the release to go back to is chosen, and its image is there."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.modules.release_target import choose
from fakes import IMAGE, digest_of, fails, good
from fakes_host import Host


@pytest.mark.parametrize(("wanted", "chosen"), [("", "r2"), ("r1", "r1")])
@pytest.mark.parametrize("check_mode", [False, True])
def test_the_release_before_or_the_one_asked_for(host: Host, wanted: str, chosen: str, check_mode: bool) -> None:
    host.serves("v1", "v2", "v3")
    before = host.files()
    result = choose(host.stage(check_mode=check_mode, release=wanted))
    assert (result["release"]["id"], result["from_release"]["id"]) == (chosen, "r3")
    assert host.engine.told == []
    if check_mode:
        assert host.files() == before
    else:
        entry = host.entry
        assert (entry["action"], entry["from"], entry["release"], entry["phase"]) == ("rollback", "r3", chosen, "PREPARED")
        assert entry["expires"] > host.clock.now
        assert host.files_but_journal() == before


def test_an_image_that_is_gone_is_pulled_by_digest(host: Host) -> None:
    host.serves("v1", "v2")
    host.engine.images.clear()
    choose(host.stage())
    assert host.engine.told == [f"pull {IMAGE}@{digest_of('v1')}"]


def test_a_bundle_that_was_edited_meanwhile_is_told(host: Host) -> None:
    host.serves("v1", "v2")
    (host.paths.bundle("r1") / "app.env").write_text('LOG_LEVEL="debug"\n')
    stage = host.stage()
    assert choose(stage)["release"]["id"] == "r1"
    assert stage.warnings == [f"DRIFT: {host.paths.bundle('r1')}/app.env was edited since it was live"]


def test_nowhere_to_go_writes_nothing(host: Host) -> None:
    host.serves("v1")
    before = host.files()
    with fails("NO_TARGET") as caught:
        choose(host.stage())
    assert "r1 is the first release here" in caught.value.what
    assert host.files() == before


def test_an_image_that_cannot_be_had_leaves_the_live_release(host: Host) -> None:
    host.serves("v1", "v2")
    host.engine.images.clear()
    host.engine.failing["pull"] = ReleaseError("REGISTRY_UNREACHABLE", "no answer", "look there", ["words"])
    before = host.files()
    with fails("ROLLBACK_IMAGE") as caught:
        choose(host.stage())
    for words in ("r1 (v1, " + digest_of("v1"), "REGISTRY_UNREACHABLE: no answer"):
        assert words in caught.value.what
    assert caught.value.todo.startswith("look there; or roll back to another release")
    assert caught.value.details == ["words"]
    assert host.files_but_journal() == before
    assert (host.phases, host.entry["code"]) == (["PLANNED", "ABORTED"], "ROLLBACK_IMAGE")
    assert host.statuses() == {"r1": "kept", "r2": "live"}


def test_a_rollback_recovers_first(host: Host) -> None:
    host.serves("v1", "v2")
    host.died_at("SWITCHED", "v3")
    host.answers.of["r3"] = good("r3")
    stage = host.stage()
    result = choose(stage)
    assert (result["from_release"]["id"], result["release"]["id"]) == ("r3", "r2")
    assert "r3 is live and was completed" in stage.told[0]


def test_warnings_and_findings_are_those_of_a_deploy(host: Host) -> None:
    host.serves("v1", "v2")
    host.edge.certificate = "CERT_EXPIRY: soon"
    stage = host.stage(controller_clock=1.0)
    choose(stage)
    assert [warning.partition(":")[0] for warning in stage.warnings] == ["CLOCK_OFFSET", "CERT_EXPIRY"]
    host.engine.networks_missing = ["shop"]
    before = host.files()
    with fails("NETWORK_MISSING"):
        choose(host.stage())
    assert host.files() == before
