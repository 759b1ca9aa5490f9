"""A host is told where a database is that is elsewhere, and forgets it again."""

import json
from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import find_database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.provision import database_address
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.provision.database_address import contents, work
from fakes import fails

URL = "postgresql://owner:s3cr3t@db.example.com/goods"


def files(paths: AppPaths) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in paths.database.iterdir()}


def test_what_is_written_is_found_by_the_stages(paths: AppPaths) -> None:
    result = work(paths, contents(URL, "PEM\n", "postgres:16"), check_mode=False)
    assert (result["changed"], result["files"]) == (True, ["database.json", "root.crt", "service.conf"])
    assert files(paths) == dict.fromkeys(("database.json", "root.crt", "service.conf"), 0o600)
    assert paths.database.stat().st_mode & 0o777 == 0o700
    assert "s3cr3t" not in json.dumps(result)
    found = find_database(paths)
    assert found is not None
    assert (found.name, found.user, found.title, found.image) == ("goods", "owner", "db.example.com:5432", "postgres:16")
    assert not work(paths, contents(URL, "PEM", "postgres:16"), check_mode=False)["changed"]


def test_what_is_not_wanted_any_more_goes(paths: AppPaths) -> None:
    work(paths, contents(URL, "PEM", "postgres:17"), check_mode=False)
    assert work(paths, contents(f"{URL}?sslmode=require", "PEM", "postgres:17"), check_mode=False)["files"] == ["root.crt", "service.conf"]
    assert set(files(paths)) == {"database.json", "service.conf"}
    assert work(paths, contents("", "", "postgres:17"), check_mode=True)["changed"]
    assert paths.database.exists()
    work(paths, contents("", "", "postgres:17"), check_mode=False)
    assert not paths.database.exists()
    assert not work(paths, contents("", "", "postgres:17"), check_mode=False)["changed"]


def test_without_an_authority_the_hosts_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_address, "HOST_AUTHORITIES", tmp_path / "all.crt")
    with fails("CONFIG"):
        contents(URL, "", "postgres:17")
    (tmp_path / "all.crt").write_text("ALL")
    assert contents(URL, "", "postgres:17")["root.crt"] == "ALL"


def test_a_wrong_address_is_reported_without_the_password() -> None:
    with fails("CONFIG") as caught:
        contents("http://owner:s3cr3t@db/x", "", "postgres:17")
    assert "s3cr3t" not in caught.value.what
