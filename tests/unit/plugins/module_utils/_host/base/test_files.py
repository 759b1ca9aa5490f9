"""Files on a host are replaced whole or not at all."""

import errno
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import (
    AppPaths,
    read_beneath,
    read_json,
    write_atomically,
    write_json,
)
from fakes import fails


def test_where_things_lie() -> None:
    paths = AppPaths("shop")
    assert [str(p) for p in (paths.ledger, paths.journal, paths.route, paths.maintenance, paths.bundle("r1"), paths.socket("r1"))] == [
        "/opt/fairlead/shop/ledger.json",
        "/opt/fairlead/shop/journal.json",
        "/var/lib/fairlead/shop/route",
        "/var/lib/fairlead/shop/maintenance.html",
        "/opt/fairlead/shop/releases/r1",
        "/var/lib/fairlead/shop/r1/api.sock",
    ]


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o644])
def test_a_file_has_its_mode_whatever_the_umask(tmp_path: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "file", "héllo", mode=mode)
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o7777 == mode
    assert (tmp_path / "file").read_text(encoding="utf-8") == "héllo"


def test_a_full_disk_leaves_the_old_content_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ledger.json"
    file.write_text("old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with fails("STATE_WRITE") as caught:
        write_atomically(file, "new")
    assert "No space left on device" in caught.value.what
    assert [p.name for p in tmp_path.iterdir()] == ["ledger.json"]
    assert file.read_text() == "old"


def test_what_is_written_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    replace = Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: order.append(f"sync {kind(handle)}"))

    def renamed(old: Path, new: Path) -> Path:
        order.append("rename")
        return replace(old, new)

    monkeypatch.setattr(Path, "replace", renamed)
    write_atomically(tmp_path / "route", "r1")
    assert order == ["sync file", "rename", "sync directory"]


def kind(handle: int) -> str:
    return "directory" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with fails("STATE_WRITE") as caught:
        write_atomically(tmp_path / "gone" / "route", "r1")
    assert str(tmp_path / "gone" / "route") in caught.value.what


def test_json_comes_back_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    write_json(tmp_path / "file", {"b": [1], "a": "ü"})
    assert read_json(tmp_path / "file", ("a",)) == {"a": "ü", "b": [1]}
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert read_json(tmp_path / "none", ()) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"next": 2, "rele', b"\xff\xfe\x00"])
def test_damage_is_reported_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "release.json").write_bytes(content)
    with fails("STATE_CORRUPT") as caught:
        read_json(tmp_path / "release.json", ("image", "next"))
    assert "deploy again" in caught.value.todo


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A directory as a container may leave it, beside a file that is not the container's."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "secret").write_text("secret")
    root = tmp_path / "root"
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "file").write_text("content")
    (root / "link").symlink_to(tmp_path / "host" / "secret")
    (root / "up").symlink_to(tmp_path / "host")
    (root / "own").symlink_to("deep")
    os.mkfifo(root / "fifo")
    return root


@pytest.mark.parametrize(
    ("name", "limit", "content"),
    [
        ("deep/er/file", 7, b"content"),
        ("deep/er/file", 6, None),
        ("link", 99, None),
        ("up/secret", 99, None),
        ("own/er/file", 99, None),
        ("fifo", 99, None),
        ("deep", 99, None),
        ("deep/er/file/more", 99, None),
        ("missing/file", 99, None),
    ],
)
def test_of_what_a_container_made_only_files_are_read(planted: Path, name: str, limit: int, content: bytes | None) -> None:
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    assert read_beneath(planted, name, limit) == content
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before


def test_a_root_may_be_reached_by_a_link_and_may_be_missing(planted: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(planted)
    assert read_beneath(tmp_path / "alias", "deep/er/file", 99) == b"content"
    assert read_beneath(tmp_path / "none", "file", 99) is None
