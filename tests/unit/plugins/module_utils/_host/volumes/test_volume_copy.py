"""Files of a volume, copied as they are, whatever lies among them, and brought back with nothing else touched."""

import gzip
import io
import os
import socket
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes import volume_copy, volume_read, volume_tree
from fakes import fails

SECRET = "of the host"


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A directory with everything that an app may have in it, and a file of the host's beside it."""
    (tmp_path / "outside").write_text(SECRET)
    top = tmp_path / "volume"
    (top / "a" / "empty").mkdir(parents=True)
    (top / "a" / "text").write_text("hello")
    (top / "a" / "text").chmod(0o640)
    (top / "a").chmod(0o2750)
    (top / "zero").touch()
    (top / "twice").write_text("one file")
    (top / "other name").hardlink_to(top / "twice")
    (top / os.fsdecode(b"\xff\xe9")).write_text("no text in its name")
    (top / "ümlaut").write_text("x" * 3)
    (top / ("long" * 50)).write_text("name")
    (top / "link").symlink_to("a/text")
    (top / "host").symlink_to(tmp_path / "outside")
    (top / "directory link").symlink_to("/etc")
    with (top / "sparse").open("wb") as sparse:
        sparse.truncate(8 * 1024 * 1024)
        sparse.seek(4 * 1024 * 1024)
        sparse.write(b"island")
    os.mkfifo(top / "fifo")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(top / "socket"))
    return top


def test_what_comes_out_is_what_went_in(volume: Path, tmp_path: Path) -> None:
    archive, into = tmp_path / "copy.tar.gz", tmp_path / "into"
    packed = volume_copy.pack(volume, archive)
    into.mkdir()
    assert volume_read.read(archive).checksum == packed.checksum
    assert volume_read.read(archive, into).checksum == volume_copy.survey(into).checksum == packed.checksum
    assert (packed.skipped, packed.unsteady) == (2, [])
    assert sorted(path.name for path in into.iterdir()) == sorted(p.name for p in volume.iterdir() if p.name not in ("fifo", "socket"))
    assert (into / "host").readlink() == tmp_path / "outside"
    assert ((into / "a").stat().st_mode & 0o7777, (into / "a/text").stat().st_mode & 0o7777) == (0o2750, 0o640)
    assert int((into / "a/text").stat().st_mtime) == int((volume / "a/text").stat().st_mtime)
    assert archive.stat().st_mode & 0o777 == 0o600


def test_no_link_is_followed(volume: Path, tmp_path: Path) -> None:
    archive = tmp_path / "copy.tar.gz"
    volume_copy.pack(volume, archive)
    assert SECRET.encode() not in gzip.decompress(archive.read_bytes())
    with tarfile.open(archive) as tar:
        assert not [name for name in tar.getnames() if name.startswith("directory link/")]


def test_a_hole_costs_neither_the_copy_nor_the_restored_file_its_size(volume: Path, tmp_path: Path) -> None:
    archive, into = tmp_path / "copy.tar.gz", tmp_path / "into"
    volume_copy.pack(volume, archive)
    into.mkdir()
    volume_read.read(archive, into)
    assert archive.stat().st_size < 256 * 1024
    restored = (into / "sparse").stat()
    assert restored.st_size == 8 * 1024 * 1024 and restored.st_blocks * 512 <= 2 * 1024 * 1024


@pytest.mark.parametrize("changed", ["a/text", "zero", "a/empty", "link"])
def test_any_change_is_another_checksum(volume: Path, changed: str) -> None:
    before = volume_copy.survey(volume).checksum
    assert volume_copy.survey(volume).checksum == before
    path = volume / changed
    if path.is_symlink():
        path.unlink()
        path.symlink_to("elsewhere")
    elif path.is_dir():
        path.chmod(0o700)
    else:
        path.write_text("hellO")
    assert volume_copy.survey(volume).checksum != before


def written_to(monkeypatch: pytest.MonkeyPatch, file: Path, times: int, change: Callable[[Path], object]) -> None:
    """Have a file changed while it is read, the first so many times."""
    left, read = [times], volume_copy._Source.read

    def and_change(self: volume_copy._Source, wanted: int) -> bytes:
        inode = os.fstat(self._handle).st_ino
        if left[0] and file.exists() and inode == file.stat().st_ino:
            left[0] -= 1
            change(file)
        return read(self, wanted)

    monkeypatch.setattr(volume_copy._Source, "read", and_change)


@pytest.mark.parametrize(("times", "unsteady"), [(1, []), (2, []), (3, ["a/text"]), (99, ["a/text"])])
def test_a_file_that_changes_is_read_again_or_reported(
    volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, unsteady: list[str]
) -> None:
    written_to(monkeypatch, volume / "a/text", times, lambda file: file.write_text(file.read_text() + "!"))
    archive, into = tmp_path / "copy.tar.gz", tmp_path / "into"
    packed = volume_copy.pack(volume, archive)
    into.mkdir()
    assert packed.unsteady == unsteady
    assert volume_read.read(archive, into).checksum == packed.checksum == volume_copy.survey(into).checksum
    if not unsteady:
        assert (into / "a/text").read_text() == (volume / "a/text").read_text()


def test_a_file_that_shrinks_meanwhile_does_not_end_the_copy(volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written_to(monkeypatch, volume / "a/text", 1, lambda file: os.truncate(file, 0))
    packed = volume_copy.pack(volume, tmp_path / "copy.tar.gz")
    assert packed.unsteady == []
    assert volume_read.read(tmp_path / "copy.tar.gz").checksum == packed.checksum


def becomes_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("../outside")


def becomes_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def vanishes(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("swap", [becomes_a_link, becomes_a_fifo, vanishes])
def test_a_file_that_is_swapped_before_it_is_opened_is_left_out(
    volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: Callable[[Path], None]
) -> None:
    opened = volume_tree.opened

    def too_late(entry: volume_tree.Entry) -> object:
        if entry.path == "a/text":
            swap(volume / "a/text")
        return opened(entry)

    monkeypatch.setattr(volume_tree, "opened", too_late)
    volume_copy.pack(volume, tmp_path / "copy.tar.gz")
    with tarfile.open(tmp_path / "copy.tar.gz") as tar:
        assert "a/text" not in tar.getnames()
    assert SECRET.encode() not in gzip.decompress((tmp_path / "copy.tar.gz").read_bytes())


def test_a_directory_that_is_deeper_than_any_app_needs_is_reported(tmp_path: Path) -> None:
    top = tmp_path / "volume"
    top.mkdir()
    handle = os.open(top, os.O_RDONLY)
    for _ in range(volume_tree.DEEPEST + 1):
        os.mkdir("d", dir_fd=handle)
        below = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(handle)
    with fails("BACKUP_FAILED"):
        volume_copy.survey(top)


def forged(archive: Path, *members: tuple[str, bytes, str]) -> None:
    """Write an archive that `pack` would never write: names, kinds, and contents or targets."""
    with tarfile.open(archive, "w:gz") as tar:
        for name, kind, text in members:
            info = tarfile.TarInfo(name)
            info.type, info.uid, info.gid, info.mode = kind, os.getuid(), os.getgid(), 0o755
            info.linkname = text if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            info.size = len(text) if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(text.encode()))


@pytest.mark.parametrize(
    "member",
    [
        ("/etc/passwd", tarfile.REGTYPE, "x"),
        ("../outside", tarfile.REGTYPE, "x"),
        ("a/../../outside", tarfile.REGTYPE, "x"),
        ("a//b", tarfile.REGTYPE, "x"),
        ("./b", tarfile.REGTYPE, "x"),
        ("..", tarfile.DIRTYPE, ""),
        ("passwd", tarfile.LNKTYPE, "/etc/passwd"),
        ("device", tarfile.CHRTYPE, ""),
        ("fifo", tarfile.FIFOTYPE, ""),
    ],
)
def test_an_archive_that_would_leave_its_place_is_refused(tmp_path: Path, member: tuple[str, bytes, str]) -> None:
    (tmp_path / "outside").write_text(SECRET)
    into = tmp_path / "into"
    into.mkdir()
    forged(tmp_path / "forged.tar.gz", member)
    with fails("BACKUP_DAMAGED"):
        volume_read.read(tmp_path / "forged.tar.gz", into)
    assert list(into.iterdir()) == [] and (tmp_path / "outside").read_text() == SECRET


def test_nothing_is_written_through_a_link_of_the_archive(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    into = tmp_path / "into"
    into.mkdir()
    forged(tmp_path / "forged.tar.gz", ("way", tarfile.SYMTYPE, str(tmp_path / "outside")), ("way/file", tarfile.REGTYPE, "x"))
    with pytest.raises(OSError, match="No such file"):
        volume_read.read(tmp_path / "forged.tar.gz", into)
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("damage", [lambda raw: raw[:-40], lambda raw: raw[:60] + b"\0\0\0\0" + raw[64:], lambda raw: b"no archive"])
def test_a_damaged_archive_is_reported(volume: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    archive = tmp_path / "copy.tar.gz"
    volume_copy.pack(volume, archive)
    archive.write_bytes(damage(archive.read_bytes()))
    with fails("BACKUP_DAMAGED"):
        volume_read.read(archive)


def test_disk_usage_counts_a_file_with_two_names_once_and_ends_in_time(volume: Path) -> None:
    for number in range(3):
        (volume / f"name{number}").hardlink_to(volume / "twice")
    whole, complete = volume_tree.disk_usage(volume, 60)
    assert complete
    (volume / "name2").unlink()
    assert volume_tree.disk_usage(volume, 60)[0] == whole
    assert volume_tree.disk_usage(volume, -1)[1] is False
