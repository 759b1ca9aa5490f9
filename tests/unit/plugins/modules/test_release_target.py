"""First stage of a rollback: the release to go back to is chosen, and its image is there."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.modules.release_target import choose
from fakes import IMAGE, digest_of, fails
from fakes_host import Host


@pytest.mark.parametrize(("wanted", "chosen"), [("", "r2"), ("r1", "r1")])
@pytest.mark.parametrize("check_mode", [False, True])
def test_the_release_before_or_the_one_asked_for(host: Host, wanted: str, chosen: str, check_mode: bool) -> None:
    host.serves("v1", "v2", "v3")
    before = host.files()
    result = choose(host.stage(check_mode=check_mode, release=wanted))
    assert (result["release"]["id"], result["from_release"]["id"]) == (chosen, "r3")
    assert host.engine.told == []
    assert host.leased is not check_mode
    if check_mode:
        assert host.files() == before


def test_an_image_that_is_gone_is_pulled_by_digest(host: Host) -> None:
    host.serves("v1", "v2")
    host.engine.images.clear()
    choose(host.stage())
    assert host.engine.told == [f"pull {IMAGE}@{digest_of('v1')}"]


def test_nowhere_to_go_gives_the_lease_back(host: Host) -> None:
    host.serves("v1")
    before = host.files()
    with fails("NO_TARGET") as caught:
        choose(host.stage())
    assert "r1 is the first release here" in caught.value.what
    assert host.files() == before


def test_an_image_that_cannot_be_had_gives_the_lease_back(host: Host) -> None:
    host.serves("v1", "v2")
    host.engine.images.clear()
    host.engine.failing["pull"] = ReleaseError("REGISTRY_UNREACHABLE", "", "")
    before = host.files()
    with fails("REGISTRY_UNREACHABLE"):
        choose(host.stage())
    assert host.files() == before
