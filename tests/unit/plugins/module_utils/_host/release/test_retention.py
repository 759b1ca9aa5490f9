"""What no rollback needs goes, with its image; what one may need stays."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import Ledger
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.retention import has_prunable, prune
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from fakes import IMAGE, digest_of, fails
from fakes_host import Host


def image(tag: str) -> str:
    return f"{IMAGE}@{digest_of(tag)}"


def pruned(host: Host, keep: int) -> list[str]:
    """Prune, and see that asking beforehand told whether there would be anything to remove."""
    ledger = Ledger(host.paths)
    before = host.files(), set(host.engine.images)
    told = has_prunable(ledger, host.live, keep)
    gone = prune(host.paths, ledger, host.live, keep)
    assert told is ((host.files(), host.engine.images) != before)
    assert not has_prunable(ledger, host.live, keep)
    assert Ledger(host.paths).releases == ledger.releases, "the record says so"
    return gone


@pytest.mark.parametrize(
    ("tags", "keep", "gone", "images"),
    [
        (["v1"], 0, [], ["v1"]),
        (["v1", "v2"], 1, [], ["v1", "v2"]),
        (["v1", "v2", "v3"], 1, ["r1"], ["v2", "v3"]),
        (["v1", "v2", "v3"], 0, ["r1", "r2"], ["v3"]),
        (["v1", "v2", "v1"], 1, ["r1"], ["v1", "v2"]),  # the same image serves again
    ],
)
def test_the_oldest_go(host: Host, tags: list[str], keep: int, gone: list[str], images: list[str]) -> None:
    live = host.serves(*tags)
    assert pruned(host, keep) == gone
    kept = [f"r{n}" for n in range(1, len(tags) + 1) if f"r{n}" not in gone]
    assert sorted(host.engine.present) == sorted(path.name for path in host.paths.releases.iterdir()) == kept
    assert host.engine.images == {image(tag) for tag in images}
    assert (host.live, {host.statuses()[release] for release in gone}) == (live, {"pruned"} if gone else set())


def test_the_image_of_a_release_that_failed_goes(host: Host) -> None:
    host.serves("v1")
    host.died_at("PREPARED", "v2")
    ledger = Ledger(host.paths)
    ledger.get("r2").status = "failed"
    ledger.save()
    assert pruned(host, 3) == []
    assert host.engine.images == {image("v1")}


def test_an_image_that_a_container_still_uses_does_not_end_it(host: Host) -> None:
    """The engine refuses; the next run tries again."""
    host.serves("v1", "v2", "v3")
    host.engine.failing["remove"] = ReleaseError("DOCKER_DOWN", "", "")
    ledger = Ledger(host.paths)
    with fails("DOCKER_DOWN"):
        prune(host.paths, ledger, host.live, 0)
    assert host.statuses() == {"r1": "kept", "r2": "kept", "r3": "live"}
    host.engine.failing.clear()
    assert pruned(host, 0) == ["r1", "r2"]
