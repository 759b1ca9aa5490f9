"""The directory of a release's socket: bounded where the proxy can see mounts, and gone with its release."""

import os
from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import socket_dir
from fakes import fails

USER = os.getuid()


class Mounts:
    """mount(8) and umount(8), which note what they are asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.at: set[str] = set()
        self.leaves = Finished(0, "", "")

    def run(self, arguments: list[str], seconds: float) -> Finished:
        self.asked.append(arguments)
        if arguments[0] == "mount" and not self.leaves.code:
            self.at.add(Path(arguments[-1]).read_text().split()[1])
        if arguments[0] == "umount":
            self.at.discard(arguments[-1])
        return self.leaves


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mounts:
    fake = Mounts()
    monkeypatch.setattr(socket_dir, "run", fake.run)
    monkeypatch.setattr(socket_dir, "MOUNTS", tmp_path / "mounts")
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) in fake.at)
    return fake


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    return tmp_path / "shop" / "r12"


def test_where_the_proxy_would_not_see_a_mount_it_is_a_plain_directory(mounts: Mounts, directory: Path) -> None:
    socket_dir.make(directory, USER)
    assert directory.stat().st_mode & 0o7777 == 0o2750
    assert mounts.asked == []


def test_it_is_a_file_system_of_its_own_that_the_next_boot_mounts_again(mounts: Mounts, directory: Path) -> None:
    socket_dir.MOUNTS.mkdir()
    for _ in range(2):
        socket_dir.make(directory, USER)
    (entry,) = socket_dir.MOUNTS.glob("*.fstab")
    device, where, kind, options, *_ = entry.read_text().split()
    assert (entry.name, device, where, kind) == ("shop-r12.fstab", "fairlead", str(directory), "tmpfs")
    assert {"size=1m", "nr_inodes=64", f"uid={USER}", "mode=2750", "nosymfollow", "noexec"} <= set(options.split(","))
    assert mounts.asked == [["mount", "--all", "--fstab", str(entry)]]


def test_a_release_is_not_started_on_the_disk_of_the_host_instead(mounts: Mounts, directory: Path) -> None:
    socket_dir.MOUNTS.mkdir()
    mounts.leaves = Finished(32, "", "mount: permission denied")
    with fails("START_FAILED") as caught:
        socket_dir.make(directory, USER)
    assert caught.value.details == ["mount: permission denied"]


@pytest.mark.parametrize("mounted", [True, False])
def test_nothing_is_left_of_it(mounts: Mounts, directory: Path, mounted: bool) -> None:
    if mounted:
        socket_dir.MOUNTS.mkdir()
    socket_dir.make(directory, USER)
    (directory / "left-over").touch()
    for _ in range(2):
        socket_dir.remove(directory)
        assert not directory.exists()
        assert not list(directory.parent.parent.glob("mounts/*"))
    assert mounts.at == set()
