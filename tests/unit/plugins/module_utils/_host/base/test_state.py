"""Records survive crashes, full disks and hands that edit them."""

import errno
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base import state
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.state import (
    Stored,
    previous_of,
    read_state,
    set_aside,
    write_state,
)
from fakes import fails
from fakes_host import tree

KEYS = ("next", "releases")
OLD: dict[str, Any] = {"next": 1, "releases": []}
NEW: dict[str, Any] = {"next": 2, "releases": [{"id": "r1", "tag": "ü"}]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.json"


def truncated(text: str) -> bytes:
    return text.encode()[:-20]


def edited(text: str) -> bytes:
    return text.replace('"next": 2', '"next": 3').encode()


def unsigned(text: str) -> bytes:
    return json.dumps({key: value for key, value in json.loads(text).items() if key != "checksum"}).encode()


def of_another_kind(text: str) -> bytes:
    content = {"schema": state.FIRST, "owner": "bob"}
    return json.dumps({**content, "checksum": state._checksum(content)}).encode()


DAMAGES = [
    (truncated, "Expecting"),
    (edited, "its checksum does not fit its content"),
    (unsigned, "its checksum does not fit its content"),
    (of_another_kind, "next, releases missing"),
    (lambda text: b"", "Expecting value"),
    (lambda text: b"null", "not a record of Fairlead's"),
    (lambda text: b"[]", "not a record of Fairlead's"),
    (lambda text: b"{}", "not a record of Fairlead's"),
    (lambda text: b"\xff\xfe\x00", "codec can't decode"),
    (lambda text: bytes(len(text)), "Expecting value"),  # a file system that lost its blocks
]


def test_a_record_comes_back_and_only_its_owner_reads_it(file: Path) -> None:
    assert read_state(file, KEYS) == Stored(None)
    for body in (OLD, NEW):
        write_state(file, body)
        assert read_state(file, KEYS) == Stored(body)
        assert file.stat().st_mode & 0o777 == 0o600
    assert read_state(previous_of(file), KEYS) == Stored(OLD)
    assert sorted(path.name for path in file.parent.iterdir()) == ["ledger.json", "ledger.json.previous"]


@pytest.mark.parametrize(("damage", "says"), DAMAGES)
@pytest.mark.parametrize("previous", ["whole", "damaged", "missing"])
def test_damage_is_reported_with_the_copy_before_it(file: Path, damage: Any, says: str, previous: str) -> None:
    write_state(file, OLD)
    write_state(file, NEW)
    file.write_bytes(damage(file.read_text(encoding="utf-8")))
    if previous == "damaged":
        previous_of(file).write_bytes(b"{")
    elif previous == "missing":
        previous_of(file).unlink()
    before = tree(file.parent)
    stored = read_state(file, KEYS)
    assert stored.body == (OLD if previous == "whole" else None)
    assert stored.damage.startswith(f"{file} is damaged (")
    assert says in stored.damage
    assert tree(file.parent) == before, "reading changes nothing"


@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_what_another_version_wrote_is_left_alone(file: Path, schema: object) -> None:
    content = json.dumps({"schema": schema, **OLD})
    file.write_text(content)
    with fails("STATE_SCHEMA") as caught:
        read_state(file, KEYS)
    assert f"format {schema}; this one reads formats up to 1" in caught.value.what
    assert file.read_text() == content


def test_a_full_disk_leaves_both_copies(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_state(file, OLD)
    write_state(file, NEW)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as during, fails("STATE_WRITE"):
        during.setattr(tempfile, "mkstemp", full)
        write_state(file, {**NEW, "next": 3})
    assert read_state(file, KEYS) == Stored(NEW)
    assert read_state(previous_of(file), KEYS).body in (OLD, NEW)
    assert sorted(path.name for path in file.parent.iterdir()) == ["ledger.json", "ledger.json.previous"]


def test_the_copy_before_is_a_second_name_and_needs_no_space(file: Path) -> None:
    write_state(file, OLD)
    inode = file.stat().st_ino
    write_state(file, NEW)
    assert previous_of(file).stat().st_ino == inode
    assert file.stat().st_ino != inode


def test_a_file_system_without_hard_links_has_records_all_the_same(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    for body in (OLD, NEW):
        write_state(file, body)
    assert read_state(file, KEYS) == Stored(NEW)
    assert not previous_of(file).exists()


def test_a_writer_that_was_killed_is_no_hindrance(file: Path) -> None:
    write_state(file, OLD)
    file.with_name(".ledger.json.spare").write_text("left")
    write_state(file, NEW)
    assert sorted(path.name for path in file.parent.iterdir()) == ["ledger.json", "ledger.json.previous"]


def test_each_damaged_record_is_kept(file: Path) -> None:
    for number in (1, 2, 3):
        file.write_text(f"damage {number}")
        set_aside(file)
    assert not file.exists()
    set_aside(file)
    assert [Path(f"{file}.corrupt-{n}").read_text() for n in (1, 2, 3)] == ["damage 1", "damage 2", "damage 3"]


def test_of_a_record_that_is_gone_the_copy_before_it_is_read(file: Path) -> None:
    assert read_state(file, KEYS) == Stored(None)
    write_state(file, OLD)
    write_state(file, NEW)
    file.unlink()
    assert read_state(file, KEYS) == Stored(OLD, f"{file} is gone")
