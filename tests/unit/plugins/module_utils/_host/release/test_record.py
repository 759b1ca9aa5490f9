"""Records of releases, as this version and earlier ones wrote them."""

import json
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.state import write_state
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import read_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import Ledger, write_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import (
    PinnedImage,
    Process,
    Release,
    Schema,
    processes_of,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import Finding, Migration
from fakes import IMAGE, digest_of, fails
from fakes_host import SETTINGS, bundle, released, settings_with

FINDING: dict[str, Any] = {"line": 3, "statement": "DROP TABLE a", "rule": "drop", "message": "gone", "kind": "destructive"}
SCHEMA = {
    "tool": "alembic",
    "heads": ["0003"],
    "from": ["0002"],
    "backup": "20261122T190500Z",
    "migrations": [{"revision": "0003", "down": ["0002"], "title": "Drop", "class": "contract", "findings": [FINDING]}],
}
# As version 0.9 wrote them.
LEDGER_1 = {
    "id": "r2",
    "image": IMAGE,
    "tag": "v2",
    "digest": digest_of("v2"),
    "previous": "r1",
    "owner": "alice@laptop",
    "status": "live",
    "prepared_at": "2026-11-22T19:05:00Z",
    "live_at": "2026-11-22T19:05:09Z",
    "revision": "0003",
    "container": "4711",
    "schema": SCHEMA,
}
BUNDLE_1 = {
    "id": "r2",
    "previous": "r1",
    "app": "shop",
    "image": IMAGE,
    "tag": "v2",
    "digest": digest_of("v2"),
    "fingerprint": "abc",
    "settings": SETTINGS,
    "files": {"app.env": "def"},
    "schema": SCHEMA,
}


def test_format_1_is_read(paths: AppPaths) -> None:
    write_state(paths.ledger, {"next": 3, "releases": [LEDGER_1]})
    write_route(paths, "r2")
    ledger = Ledger(paths)
    (release,) = ledger.releases
    assert (release.image, release.title) == (PinnedImage(IMAGE, "v2", digest_of("v2")), f"r2 ({IMAGE}:v2)")
    assert (release.status, release.live_at, release.owner, release.container) == ("live", LEDGER_1["live_at"], "alice@laptop", "4711")
    migration = Migration("0003", ("0002",), "Drop", impact="contract", findings=(Finding(**FINDING),))
    assert release.schema == Schema("alembic", ["0003"], [migration], ["0002"], "20261122T190500Z")
    assert (ledger.damage, ledger.next_id) == ("", "r3")


def test_format_1_becomes_format_2_with_the_next_change(paths: AppPaths) -> None:
    write_state(paths.ledger, {"next": 3, "releases": [LEDGER_1]})
    before = Ledger(paths)
    before.mark_live("r2")
    written = json.loads(paths.ledger.read_text())
    assert (written["schema"], written["releases"][0]["image"]["repository"]) == (2, IMAGE)
    assert Ledger(paths).releases == before.releases


def test_a_bundle_of_format_1_is_read(paths: AppPaths) -> None:
    paths.bundle("r2").mkdir(parents=True)
    (paths.bundle("r2") / "release.json").write_text(json.dumps(BUNDLE_1))
    record = read_record(paths, "r2")
    assert (record.release.config_hash, record.release.previous, record.release.heads) == ("abc", "r1", ["0003"])
    assert (record.settings, record.files) == (SETTINGS, {"app.env": "def"})


def test_a_record_comes_back_as_it_was_written() -> None:
    whole = bundle("v2").release("r2", "r1", "sha256:id", "run1", "alice@laptop")
    whole.schema = Schema.from_dict(SCHEMA)
    written = json.loads(json.dumps(whole.as_dict()))
    assert Release.from_dict(written) == whole
    assert written["image"] == {"repository": IMAGE, "tag": "v2", "digest": digest_of("v2"), "image_id": "sha256:id"}
    assert written["processes"]["api"]["stop"] == {"grace_seconds": 40}


def test_what_a_newer_version_adds_is_kept() -> None:
    newer = {**released().as_dict(), "canary": {"share": 0.1}, "processes": {"api": {**Process().as_dict(), "hosts": "all"}}}
    assert Release.from_dict(newer).as_dict() == newer


@pytest.mark.parametrize("damaged", [{"id": "r1"}, {**LEDGER_1, "image": None}, {**LEDGER_1, "schema": 7}, "r1"])
def test_a_record_that_is_none_is_damage(paths: AppPaths, damaged: Any) -> None:
    write_state(paths.ledger, {"next": 3, "releases": [damaged]})
    assert "is damaged" in Ledger(paths).damage


@pytest.mark.parametrize("damaged", [{"image": None}, {"image": {"repository": IMAGE}}, {"processes": {"api": 1}}])
def test_a_bundles_record_that_is_none_is_reported(paths: AppPaths, damaged: dict[str, Any]) -> None:
    paths.bundle("r2").mkdir(parents=True)
    (paths.bundle("r2") / "release.json").write_text(json.dumps({**BUNDLE_1, **damaged}))
    with fails("STATE_CORRUPT"):
        read_record(paths, "r2")


def test_the_processes_of_a_release() -> None:
    settings = settings_with(listen="tcp", port=8080, memory_bytes=512)
    assert processes_of(settings) == {"api": Process(listen="8080", resources={"memory_bytes": 512}, stop={"grace_seconds": 40})}
