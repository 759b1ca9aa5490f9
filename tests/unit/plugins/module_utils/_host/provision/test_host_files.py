"""Files of provisioning: what differs is told, and changed as a whole or not at all."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.provision.host_files import run
from fakes import fails
from fakes_host import tree

ME = {"owner": str(os.getuid()), "group": str(os.getgid())}


def directory(path: Path, mode: str = "0750") -> dict[str, Any]:
    return {"path": str(path), **ME, "mode": mode}


def file(path: Path, content: str = "new\n", mode: str = "0640", secret: bool = False, validate: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"path": str(path), "content": content, **ME, "mode": mode, "secret": secret, "validate": list(validate)}


def apply(check: bool = False, **wanted: list[Any]) -> dict[str, Any]:
    return run({"directories": [], "files": [], "absent": [], "checksums": [], **wanted}, check)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_all_is_made_in_order_and_the_same_again_changes_nothing(tmp_path: Path) -> None:
    home, unit, record = tmp_path / "home", tmp_path / "home" / "unit", tmp_path / "home" / "recorded"
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "file").touch()
    wanted: dict[str, Any] = {
        "directories": [directory(home)],
        "files": [file(unit)],
        "absent": [str(tmp_path / "old"), str(tmp_path / "never")],
        "checksums": [{"path": str(record), "of": [str(unit), str(home / "missing")]}],
    }
    before = tree(tmp_path)
    looked = apply(True, **wanted)
    assert tree(tmp_path) == before
    done = apply(**wanted)
    assert done["paths"] == [*looked["paths"], str(record)] == [str(home), str(unit), str(tmp_path / "old"), str(record)]
    assert (mode(home), mode(unit), mode(record), unit.read_text()) == (0o750, 0o640, 0o600, "new\n")
    assert record.read_text() == f"{hashlib.sha256(b'new' + bytes([10])).hexdigest()}  {unit}\n"
    assert not (tmp_path / "old").exists()
    assert apply(**wanted) == {"changed": False, "paths": [], "diff": []}


@pytest.mark.parametrize("check", [True, False])
def test_the_difference_of_each_file_is_shown_but_of_secrets(tmp_path: Path, check: bool) -> None:
    shown, secret = tmp_path / "shown", tmp_path / "secret"
    shown.write_text("old\n")
    secret.write_text("old-secret\n")
    done = apply(check, files=[file(shown), file(secret, "new-secret\n", secret=True), file(tmp_path / "first", "a-secret", secret=True)])
    assert done["diff"][0] == {"before_header": str(shown), "after_header": str(shown), "before": "old\n", "after": "new\n"}
    assert [entry["after_header"] for entry in done["diff"]] == done["paths"]
    assert "secret\n" not in str([entry["before"] + entry["after"] for entry in done["diff"]])
    assert shown.read_text() == ("old\n" if check else "new\n")


def test_attributes_alone_are_a_difference(tmp_path: Path) -> None:
    path = tmp_path / "file"
    apply(files=[file(path)], directories=[directory(tmp_path / "home")])
    inode = path.stat().st_ino
    done = apply(files=[file(path, mode="0600")], directories=[directory(tmp_path / "home", "0700")])
    assert done["paths"] == [str(tmp_path / "home"), str(path)]
    assert "mode: 0640" in done["diff"][1]["before"] and "mode: 0600" in done["diff"][1]["after"]
    assert (mode(path), mode(tmp_path / "home"), path.stat().st_ino) == (0o600, 0o700, inode)


@pytest.mark.parametrize("check", [True, False])
def test_what_is_not_accepted_is_not_written(tmp_path: Path, check: bool) -> None:
    path = tmp_path / "compose.yaml"
    path.write_text("old\n")
    before = tree(tmp_path)
    refused = file(path, validate=("sh", "-c", 'echo "$(cat %s) is wrong" >&2; exit 3'))
    with fails("FILE_REFUSED") as caught:
        apply(check, files=[refused])
    assert caught.value.details == ["new is wrong"]
    assert tree(tmp_path) == before
    assert apply(check, files=[file(path, validate=("grep", "new", "%s"))])["changed"]


def test_links_are_replaced_and_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("somebody's\n")
    (tmp_path / "link").symlink_to(target)
    apply(files=[file(tmp_path / "link", "somebody's\n")], absent=[])
    assert not (tmp_path / "link").is_symlink()
    (tmp_path / "gone").symlink_to(tmp_path)
    apply(absent=[str(tmp_path / "gone")])
    assert target.read_text() == "somebody's\n"


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_no_directory_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "place"
    path.symlink_to(tmp_path) if kind == "link" else path.touch()
    with fails("CONFIG"):
        apply(directories=[directory(path)])
    with fails("CONFIG"):
        apply(files=[file(tmp_path)])


def test_an_unknown_owner_is_named(tmp_path: Path) -> None:
    for name in ("owner", "group"):
        with fails("CONFIG") as caught:
            apply(directories=[{**directory(tmp_path / "x"), name: "nobody-of-that-name"}])
        assert "nobody-of-that-name" in caught.value.what
