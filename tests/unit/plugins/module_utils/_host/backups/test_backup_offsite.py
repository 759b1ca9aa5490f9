"""Copies of backups off the host: whose they are, and nothing that somebody else wrote there becomes a word for restic or a path."""

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import offsite as _offsite
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.offsite import UNTOLD, Offsite
from fakes_backup import day

PRODUCTION, STAGING = "shop.example.com", "staging.example.com"


def snapshot(number: int, installation: str | None = PRODUCTION, folder: str = "/b", **changes: Any) -> dict[str, Any]:
    tags = ["shop", *([f"installation={installation}"] if installation else [])]
    paths = [f"{folder}/{day(number)}.dump", f"{folder}/{day(number)}.json"]
    return {"id": f"{number:08x}", "tags": tags, "paths": paths, **changes}


def offsite(installation: str, *snapshots: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Offsite:
    monkeypatch.setattr(Offsite, "_all", lambda _: _offsite.copies(snapshots))
    return Offsite("shop", installation, "/repo", Path("/nowhere"), {}, {})


def test_copies_are_found_by_installation_and_id() -> None:
    snapshots = [snapshot(1), snapshot(2, STAGING), snapshot(3, None), snapshot(4, paths=["/etc"])]
    assert _offsite.copies(snapshots) == {
        (PRODUCTION, day(1)): ("00000001", "/b"),
        (STAGING, day(2)): ("00000002", "/b"),
        (UNTOLD, day(3)): ("00000003", "/b"),
    }


@pytest.mark.parametrize(
    "strange",
    [
        {"id": "--repo=/elsewhere"},
        {"id": "../../etc"},
        {"paths": [f"/b/../{day(1)}.dump"]},
        {"paths": [f"{day(1)}.dump"]},
        {"paths": ["/b/../../passwd.dump"]},
        {"paths": ["/b/\u0662\u0660260101T020000Z.dump"]},
    ],
)
def test_what_this_collection_did_not_write_is_left_out(strange: dict[str, Any]) -> None:
    assert _offsite.copies([snapshot(1, **strange)]) == {}


def test_an_installation_sees_its_own_copies_only(monkeypatch: pytest.MonkeyPatch) -> None:
    there = (snapshot(1), snapshot(2, STAGING), snapshot(3), snapshot(4, STAGING), snapshot(5, None))
    production = offsite(PRODUCTION, *there, monkeypatch=monkeypatch)
    assert (production.newest(), production.has(day(4)), production.has(day(1))) == (day(3), False, True)
    assert production.others() == {STAGING: day(4), UNTOLD: day(5)}
    assert offsite("new.example.com", *there, monkeypatch=monkeypatch).newest() is None


@pytest.mark.parametrize(
    ("repository", "shown"),
    [
        ("/srv/restic", "/srv/restic"),
        ("sftp:backup@nas:/srv/restic", "sftp:backup@nas:/srv/restic"),
        ("rest:https://shop:hidden-word@host:8000/shop", "rest:https://host:8000/shop"),
        ("s3:https://s3.example.com:9000/bucket/a@b", "s3:https://s3.example.com:9000/bucket/a@b"),
    ],
)
def test_no_password_of_an_address_is_shown(repository: str, shown: str) -> None:
    there = Offsite("shop", PRODUCTION, repository, Path("/nowhere"), {}, {})
    assert there.shown == shown
    error = there._failed(["backup"], "failed", f"Fatal: unable to open {repository}")
    assert "hidden-word" not in f"{error.what}{error.details}"


def test_copies_of_others_are_not_forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[str, ...]] = []

    def restic(self: Offsite, *words: str, **_: object) -> str:
        asked.append(words)
        return ""

    monkeypatch.setattr(Offsite, "_restic", restic)
    paths: Any = type("Paths", (), {"backups": tmp_path})
    Offsite("shop", STAGING, "/repo", Path("/nowhere"), {}, {"daily": 2}).copy(paths, day(1))
    tagged = {words[0]: words[words.index("--tag") + 1] for words in asked if "--tag" in words}
    assert tagged == dict.fromkeys(("backup", "forget"), f"shop,installation={STAGING}")
