"""The record of releases and the route."""

import json

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._ledger import HISTORY, Ledger, read_route, write_route
from fakes import fails


def statuses(paths: AppPaths) -> dict[str, str]:
    return {record["id"]: record["status"] for record in Ledger(paths).releases}


def test_ids_are_never_used_twice(paths: AppPaths) -> None:
    assert [Ledger(paths).add(tag=tag)["id"] for tag in ("v1", "v2")] == ["r1", "r2"]
    ledger = Ledger(paths)
    ledger.releases.clear()
    ledger.save()
    assert Ledger(paths).add(tag="v3")["id"] == "r3"


def test_what_becomes_live_makes_the_one_before_a_kept_one(paths: AppPaths) -> None:
    for tag in ("v1", "v2", "v3"):
        Ledger(paths).add(tag=tag)
    for release in ("r1", "r2", "r1"):
        Ledger(paths).mark_live(release)
    assert statuses(paths) == {"r1": "live", "r2": "kept", "r3": "prepared"}


def test_marking_the_live_one_again_leaves_its_time(paths: AppPaths) -> None:
    ledger = Ledger(paths)
    ledger.add(tag="v1")
    ledger.mark_live("r1")
    ledger.get("r1")["live_at"] = "2026-01-01T00:00:00Z"
    ledger.mark_live("r1")
    assert Ledger(paths).get("r1")["live_at"] == "2026-01-01T00:00:00Z"


def test_old_history_is_dropped_but_never_what_serves_or_may_serve_again(paths: AppPaths) -> None:
    ledger = Ledger(paths)
    for release in ("r1", "r2"):
        ledger.add(tag="v1")
        ledger.mark_live(release)
    for _ in range(HISTORY + 5):
        ledger.add(tag="broken")["status"] = "failed"
    ledger.save()
    stored = Ledger(paths)
    assert (stored.get("r1")["status"], stored.get("r2")["status"]) == ("kept", "live")
    assert len(stored.releases) <= HISTORY + 2
    assert stored.releases[-1]["id"] == f"r{HISTORY + 7}"


def test_an_unknown_release_is_told(paths: AppPaths) -> None:
    with fails("UNKNOWN_RELEASE"):
        Ledger(paths).get("r1")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (json.dumps({"schema": 2, "next": 1, "releases": []}), "STATE_SCHEMA"),
        (json.dumps({"next": 1, "releases": []}), "STATE_CORRUPT"),
        ("null", "STATE_CORRUPT"),
        ("[]", "STATE_CORRUPT"),
        ('{"schema": 1, "next": 4, "rele', "STATE_CORRUPT"),
        ("", "STATE_CORRUPT"),
    ],
)
def test_a_ledger_that_cannot_be_trusted_is_refused(paths: AppPaths, content: str, code: str) -> None:
    paths.ledger.write_text(content)
    with fails(code):
        Ledger(paths)
    assert paths.ledger.read_text() == content


def test_the_route_names_what_is_live(paths: AppPaths) -> None:
    assert read_route(paths) is None
    for release in ("r1", "r12"):
        write_route(paths, release)
        assert (read_route(paths), paths.route.read_bytes()) == (release, f"{release}\n".encode())
    assert paths.route.stat().st_mode & 0o777 == 0o644, "the edge, another user, reads it"
    for _ in range(2):
        write_route(paths, None)
        assert (read_route(paths), paths.route.exists()) == (None, False)


@pytest.mark.parametrize("garbage", [b"", b"\n", b"r0", b"r", b"../../etc", b"r1 r2", b"r1\nr2", b"R1", b"\xff\xfe"])
def test_a_route_that_names_nothing_means_nothing_is_live(paths: AppPaths, garbage: bytes) -> None:
    paths.route.write_bytes(garbage)
    assert read_route(paths) is None
