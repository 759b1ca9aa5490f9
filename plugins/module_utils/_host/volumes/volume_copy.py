# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a volume in an archive that proves what it holds, and out of it again.

The archive is an ordinary compressed tar.  Regular files, directories and symbolic links are in it; sockets, FIFOs and devices are not.
Links are copied as links and never followed, neither on the way in nor on the way out.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import stat
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, List, Optional, Tuple, Union

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes import volume_tree
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes.volume_tree import Entry
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

CHUNK = 1024 * 1024
COMPRESSION = 1
# How often a file is read again that was written to while it was read.
TRIES = 3
UNSTEADY_TOLD = 100
COPY_SECONDS = 6 * 3600.0
MODE_BITS = 0o7777
TOP = "."


@dataclass
class Content:
    """What an archive or a directory holds.

    Args:
        entries: how many there are.
        disk_bytes: what it takes on the disk, holes in files left out.
        skipped: how many sockets, FIFOs and devices were left out.
        unsteady: files that were written to each time they were read, the first of them.
    """

    entries: int = 0
    disk_bytes: int = 0
    skipped: int = 0
    unsteady: List[str] = field(default_factory=list)
    # Sums of checksums do not depend on the order of entries, and take no room however many there are.
    _sum: int = 0
    _last: Tuple[str, int] = ("", 0)

    def add(self, info: tarfile.TarInfo, detail: str) -> None:
        """Note an entry; one of the same name right before it is replaced, as it is when an archive is extracted."""
        mode = 0 if info.issym() else info.mode & MODE_BITS
        text = f"{info.name}\0{info.type!r} {mode:o} {info.uid} {info.gid} {detail}"
        value = int.from_bytes(hashlib.sha256(os.fsencode(text)).digest(), "big")
        if self._last[0] == info.name:
            self._sum -= self._last[1]
            self.entries -= 1
        self._last = (info.name, value)
        self._sum += value
        self.entries += 1

    @property
    def checksum(self) -> str:
        """One checksum of names, kinds, modes, owners and contents."""
        return f"{self._sum % 2**256:064x}"


def pack(top: Path, archive: Path) -> Content:
    """Write the files of a directory into a new archive, and return what is in it.

    Raises:
        ReleaseError: BACKUP_FAILED.
        OSError: the archive could not be written.
    """
    handle = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=COMPRESSION) as compressed:
            found = _pack(top, compressed)
        out.flush()
        os.fsync(out.fileno())
    return found


def survey(top: Path) -> Content:
    """Return what a directory holds, as `pack` would copy it.

    Raises:
        ReleaseError: BACKUP_FAILED.
    """
    with Path(os.devnull).open("wb") as nowhere:
        return _pack(top, nowhere)


def _pack(top: Path, out: Union[IO[bytes], gzip.GzipFile]) -> Content:
    found, deadline = Content(), time.monotonic() + COPY_SECONDS
    with tarfile.open(mode="w", fileobj=out, format=tarfile.PAX_FORMAT) as tar:
        _add(tar, _info(TOP, top.stat()), found)
        for entry in volume_tree.walk(top):
            if time.monotonic() > deadline:
                raise ReleaseError("BACKUP_FAILED", f"it was not copied within {COPY_SECONDS:g} s", "keep less in the volume")
            _pack_entry(tar, entry, found)
            # What was written is of no more interest, and there may be very many.
            tar.members = []  # type: ignore[attr-defined]
    return found


def _pack_entry(tar: tarfile.TarFile, entry: Entry, found: Content) -> None:
    kind = entry.status.st_mode
    if stat.S_ISDIR(kind):
        _add(tar, _info(entry.path, entry.status), found)
    elif stat.S_ISLNK(kind):
        info = _info(entry.path, entry.status)
        try:
            info.linkname = os.readlink(entry.name, dir_fd=entry.parent)
        except OSError:  # it is gone, or no link any more
            return
        _add(tar, info, found)
    elif stat.S_ISREG(kind):
        _pack_file(tar, entry, found)
    else:
        found.skipped += 1


def _pack_file(tar: tarfile.TarFile, entry: Entry, found: Content) -> None:
    for dummy in range(TRIES):
        with contextlib.ExitStack() as stack:
            try:
                handle = stack.enter_context(volume_tree.opened(entry))
            except OSError:  # it was replaced or removed
                return
            before = os.fstat(handle)
            info, source = _info(entry.path, before), _Source(handle, before.st_size)
            # An entry that is written once more takes the place of the one before it.
            tar.addfile(info, source)  # type: ignore[arg-type]
            after = os.fstat(handle)
        found.add(info, source.checksum)
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            found.disk_bytes += before.st_blocks * volume_tree.BLOCK
            return
    if len(found.unsteady) < UNSTEADY_TOLD:
        found.unsteady.append(entry.path)


def _add(tar: tarfile.TarFile, info: tarfile.TarInfo, found: Content) -> None:
    tar.addfile(info)
    found.add(info, info.linkname)


def _info(path: str, status: os.stat_result) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type = tarfile.DIRTYPE if stat.S_ISDIR(status.st_mode) else tarfile.SYMTYPE if stat.S_ISLNK(status.st_mode) else tarfile.REGTYPE
    info.size = status.st_size if info.isreg() else 0
    info.mode, info.uid, info.gid, info.mtime = status.st_mode & MODE_BITS, status.st_uid, status.st_gid, int(status.st_mtime)
    return info


class _Source:
    """A file that is read for as long as it was when it was opened, whatever becomes of it meanwhile."""

    def __init__(self, handle: int, size: int) -> None:
        self._handle = handle
        self._left = size
        self._digest = hashlib.sha256()

    def read(self, wanted: int) -> bytes:
        """Return so many bytes; zeros where the file has become shorter."""
        parts, wanted = [], min(wanted, self._left)
        self._left -= wanted
        while wanted:
            part = os.read(self._handle, wanted) or bytes(wanted)
            parts.append(part)
            wanted -= len(part)
        content = b"".join(parts)
        self._digest.update(content)
        return content

    @property
    def checksum(self) -> str:
        return self._digest.hexdigest()


def _receive(info: tarfile.TarInfo, source: IO[bytes], into: Optional[Path]) -> str:
    digest = hashlib.sha256()
    out = _create(info, into) if into else None
    try:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            if out is not None and chunk.count(0) < len(chunk):
                _write(out, chunk)
            elif out is not None:
                os.lseek(out, len(chunk), os.SEEK_CUR)  # a hole stays one
        if out is not None:
            os.ftruncate(out, info.size)
            os.fchown(out, info.uid, info.gid)
            os.fchmod(out, info.mode & MODE_BITS)
            os.utime(out, (info.mtime, info.mtime))
    finally:
        if out is not None:
            os.close(out)
    return digest.hexdigest()


def _create(info: tarfile.TarInfo, into: Path) -> int:
    # Links are made when all files are there, so no path leads through one.
    return os.open(into / info.name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)


def _write(out: int, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(out, left) :]


def _complete(entries: List[tarfile.TarInfo], into: Path) -> None:
    """Make the links, then give directories their owner and mode, the innermost first."""
    for info in entries:
        if info.issym():
            (into / info.name).symlink_to(info.linkname)
            os.chown(into / info.name, info.uid, info.gid, follow_symlinks=False)
    for info in reversed([info for info in entries if info.isdir()]):
        os.chown(into / info.name, info.uid, info.gid, follow_symlinks=False)
        (into / info.name).chmod(info.mode & MODE_BITS)


def damaged(archive: Path, how: str) -> ReleaseError:
    """Return the failure of an archive that cannot be used."""
    return ReleaseError(
        "BACKUP_DAMAGED",
        f"{archive} is not what was written: {how}; nothing was changed",
        "restore another backup, or have its copy fetched",
    )
