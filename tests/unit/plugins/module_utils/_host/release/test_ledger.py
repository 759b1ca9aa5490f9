"""The record of releases and the route."""

import json
from dataclasses import replace

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.state import previous_of
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import (
    HISTORY,
    Ledger,
    read_route,
    route_text,
    write_route,
)
from fakes import fails
from fakes_database import migration
from fakes_host import Host, bundle, released, write


def statuses(paths: AppPaths) -> dict[str, str]:
    return {release.id: release.status for release in Ledger(paths).releases}


def test_ids_are_never_used_twice(paths: AppPaths) -> None:
    assert [released(tag, paths).id for tag in ("v1", "v2")] == ["r1", "r2"]
    ledger = Ledger(paths)
    ledger.releases.clear()
    ledger.save()
    assert released("v3", paths).id == "r3"


def test_what_becomes_live_makes_the_one_before_a_kept_one(paths: AppPaths) -> None:
    for tag in ("v1", "v2", "v3"):
        released(tag, paths)
    for release in ("r1", "r2", "r1"):
        Ledger(paths).mark_live(release)
    assert statuses(paths) == {"r1": "live", "r2": "kept", "r3": "prepared"}


def test_marking_the_live_one_again_leaves_its_time(paths: AppPaths) -> None:
    released("v1", paths)
    ledger = Ledger(paths)
    ledger.mark_live("r1")
    ledger.get("r1").live_at = "2026-01-01T00:00:00Z"
    ledger.mark_live("r1")
    assert Ledger(paths).get("r1").live_at == "2026-01-01T00:00:00Z"


def test_old_history_is_dropped_but_never_what_serves_or_may_serve_again(paths: AppPaths) -> None:
    ledger = Ledger(paths)
    for release in ("r1", "r2"):
        ledger.add(bundle("v1").release(release))
        ledger.mark_live(release)
    for _ in range(HISTORY + 5):
        ledger.add(replace(bundle("broken").release(ledger.next_id), status="failed"))
    ledger.save()
    stored = Ledger(paths)
    assert (stored.get("r1").status, stored.get("r2").status) == ("kept", "live")
    assert len(stored.releases) <= HISTORY + 2
    assert stored.releases[-1].id == f"r{HISTORY + 7}"


def test_an_unknown_release_is_reported(paths: AppPaths) -> None:
    with fails("UNKNOWN_RELEASE"):
        Ledger(paths).get("r1")


DAMAGES = [b"", b"null", b"[]", b'{"schema": 1, "next": 4, "rele', b'{"next": 1, "releases": []}', b"\xff\xfe"]


def damaged(paths: AppPaths, content: bytes | None) -> None:
    """Damage the record, and the copy before it as well."""
    for file in (paths.ledger, previous_of(paths.ledger)):
        if content is None:
            file.unlink(missing_ok=True)
        else:
            file.write_bytes(content)


@pytest.mark.parametrize("content", DAMAGES)
def test_a_damaged_record_is_the_copy_before_it_and_what_came_since(paths: AppPaths, content: bytes) -> None:
    for tag in ("v1", "v2"):
        write(bundle(tag), paths, released(tag, paths).id)
    write_route(paths, "r1")
    paths.ledger.write_bytes(content)
    ledger = Ledger(paths)
    assert [(release.id, release.status, release.image.tag) for release in ledger.releases] == [
        ("r1", "live", "v1"),
        ("r2", "prepared", "v2"),  # only its bundle tells of it
    ]
    assert ledger.next == 3
    assert str(paths.ledger) in ledger.damage


@pytest.mark.parametrize("content", [*DAMAGES, None])
def test_a_lost_record_is_rebuilt_from_bundles_and_route(host: Host, content: bytes | None) -> None:
    host.serves("v1", "v2", "v3")
    host.prepared("v4")
    before = Ledger(host.paths)
    write_route(host.paths, "r2")  # as after a rollback
    damaged(host.paths, content)
    files = host.files()
    ledger = Ledger(host.paths)
    assert {release.id: release.status for release in ledger.releases} == {"r1": "kept", "r2": "live", "r3": "prepared", "r4": "prepared"}
    for name in ("image", "previous", "config_hash", "processes", "run", "owner"):
        assert [getattr(release, name) for release in ledger.releases] == [getattr(release, name) for release in before.releases]
    assert ledger.next == before.next
    assert ("is gone" if content is None else "is damaged") in ledger.damage
    assert host.files() == files, "nothing is written before save"
    ledger.save()
    assert (Ledger(host.paths).damage, Ledger(host.paths).releases) == ("", ledger.releases)
    assert [f.read_bytes() for f in host.paths.home.glob("ledger.json.corrupt-*")] == ([] if content is None else [content])


def test_what_became_of_the_schema_outlives_the_record(host: Host) -> None:
    host.serves("v1")
    host.migrates("v2", migration("0003", "0002"))
    known = {name: host.schema(name) for name in ("r1", "r2")}
    host.paths.ledger.unlink()
    previous_of(host.paths.ledger).unlink()
    assert {name: host.schema(name) for name in ("r1", "r2")} == known
    assert [one.revision for one in known["r2"].migrations] == ["0003"]


def test_bundles_that_cannot_be_read_are_left_out(host: Host) -> None:
    host.serves("v1", "v2")
    (host.paths.bundle("r1") / "release.json").write_text("{")
    (host.paths.releases / "r9").mkdir()
    damaged(host.paths, b"")
    ledger = Ledger(host.paths)
    assert [release.id for release in ledger.releases] == ["r2"]
    assert ledger.next == 10, "an id is never used twice"


def test_where_nothing_ever_was_nothing_is_damaged(paths: AppPaths) -> None:
    ledger = Ledger(paths)
    assert (ledger.releases, ledger.next, ledger.damage) == ([], 1, "")


def test_what_another_version_wrote_is_left_alone(paths: AppPaths) -> None:
    content = json.dumps({"schema": 99, "next": 1, "releases": []})
    paths.ledger.write_text(content)
    with fails("STATE_SCHEMA"):
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
    assert route_text(paths) is None
    paths.route.write_bytes(garbage)
    assert read_route(paths) is None
    assert route_text(paths) is not None
