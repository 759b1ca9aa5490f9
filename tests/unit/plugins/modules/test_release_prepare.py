"""First stage of a deploy: everything is brought to the host, and nothing that users see changes."""

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils import _bundle
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.modules.release_prepare import prepare
from fakes import IMAGE, container, digest_of, fails
from fakes_host import SECRET, SETTINGS, Host, bundle


def test_the_first_release_of_an_app(host: Host) -> None:
    stage = host.stage("v1")
    result = prepare(stage)
    assert (result["changed"], result["unchanged"], result["release"]["id"]) == (True, False, "r1")
    assert _bundle.read_record(host.paths, "r1")["fingerprint"] == bundle("v1").fingerprint()
    assert (host.live, host.leased) == (None, True)
    assert [step["step"] for step in stage.steps.done] == ["preflight", "pull", "compare", "bundle"]
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
    assert host.files() == before
    assert host.engine.told == [f"pull {IMAGE}:v1"]


@pytest.mark.parametrize(
    "difference",
    [
        {"environment": {"LOG_LEVEL": "debug"}},
        {"secrets": {"database_password": "new-secret"}},
        {"settings": {**SETTINGS, "keep": 9}},
        {"compose": "services: {api: {}}\n"},
        {"tag": "v2"},
    ],
)
def test_any_difference_is_a_new_release(host: Host, difference: dict[str, Any]) -> None:
    host.serves("v1")
    assert prepare(host.stage(**{"tag": "v1", **difference}))["release"]["id"] == "r2"


def does_not_run(host: Host) -> None:
    host.engine.present["r2"]["State"]["Running"] = False


def would_not_start_at_boot(host: Host) -> None:
    host.engine.present["r2"] = container("r2")


def is_not_alone(host: Host) -> None:
    host.engine.present["r1"]["State"]["Running"] = True


@pytest.mark.parametrize("what_a_dead_run_left", [does_not_run, would_not_start_at_boot, is_not_alone])
@pytest.mark.parametrize("check_mode", [False, True])
def test_the_same_again_completes_a_run_that_died_after_the_switch(
    host: Host, what_a_dead_run_left: Callable[[Host], None], check_mode: bool
) -> None:
    host.serves("v1", "v2")
    assert prepare(host.stage("v2", check_mode))["unchanged"] is True
    what_a_dead_run_left(host)
    assert prepare(host.stage("v2", check_mode))["unchanged"] is False


def test_yaml_values_become_what_an_environment_carries(host: Host) -> None:
    prepare(host.stage(environment={"DEBUG": True, "LIMIT": 5, "EMPTY": None}, secrets={"pin": 1234}))
    assert (host.paths.bundle("r1") / "app.env").read_text() == 'DEBUG="true"\nEMPTY=""\nLIMIT="5"\n'
    assert _bundle.read_secrets(host.paths, "r1") == {"pin": "1234"}


def test_a_failed_pull_gives_the_lease_back(host: Host) -> None:
    host.serves("v1")
    before = host.files()
    host.engine.failing["pull"] = ReleaseError("IMAGE_NOT_FOUND", "", "")
    with fails("IMAGE_NOT_FOUND"):
        prepare(host.stage("v9"))
    assert host.files() == before


def test_a_full_disk_while_writing_gives_the_lease_back(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.serves("v1")

    def full(*_: object) -> None:
        raise ReleaseError("STATE_WRITE", "", "")

    with monkeypatch.context() as during, fails("STATE_WRITE"):
        during.setattr(_bundle.Bundle, "write", full)
        prepare(host.stage("v2"))
    assert (host.live, host.leased) == ("r1", False)
    assert prepare(host.stage("v2", run="run2"))["release"]["id"] == "r3"
    assert host.record("r2")["reason"] == "INTERRUPTED"


@pytest.mark.parametrize("check_mode", [False, True])
def test_while_another_run_releases_nothing_is_done(host: Host, check_mode: bool) -> None:
    host.serves("v1")
    host.holds("run0", "bob@ci")
    before = host.files()
    with fails("LOCKED") as caught:
        prepare(host.stage("v2", check_mode))
    assert "bob@ci" in caught.value.what
    assert host.files() == before
    assert host.engine.told == []


@pytest.mark.parametrize(("tag", "unchanged", "release"), [("v1", True, "r1"), ("v2", False, "r2")])
def test_check_mode_tells_the_same_and_writes_nothing(host: Host, tag: str, unchanged: bool, release: str) -> None:
    host.serves("v1")
    before = host.files()
    planned = prepare(host.stage(tag, check_mode=True))
    assert (planned["unchanged"], planned["release"]["id"]) == (unchanged, release)
    assert host.files() == before
    assert host.engine.told == []
    done = prepare(host.stage(tag))
    assert (done["changed"], done.get("diff")) == (planned["changed"], planned.get("diff"))


def test_a_host_that_is_not_ready_is_left_alone(host: Host) -> None:
    host.engine.networks_missing = ["shop"]
    before = host.files()
    with fails("NETWORK_MISSING"):
        prepare(host.stage("v1"))
    assert host.files() == before
