# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An archive of a volume's files, read and extracted."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path
from typing import IO, List, Optional, cast

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.volumes.volume_copy import (
    CHUNK,
    TOP,
    Content,
    _complete,
    _receive,
    damaged,
)


def read(archive: Path, into: Optional[Path] = None) -> Content:
    """Read an archive to its end and return what it holds; with `into`, an empty directory of root's, write it there.

    Raises:
        ReleaseError: BACKUP_DAMAGED when it is none that `pack` made.
        OSError: a file could not be written.
    """
    found = Content()
    try:
        with gzip.open(archive) as content:
            with tarfile.open(fileobj=content, mode="r:") as tar:
                later = _extract(archive, tar, found, into)
            while content.read(CHUNK):
                pass  # only at its very end gzip compares its checksum
    except (tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError) as error:
        raise damaged(archive, str(error)) from error
    if into:
        _complete(later, into)
    return found


def _extract(archive: Path, tar: tarfile.TarFile, found: Content, into: Optional[Path]) -> List[tarfile.TarInfo]:
    """Write the files of an archive, and return its directories and links, which are completed when all files are there."""
    later: List[tarfile.TarInfo] = []
    while (info := tar.next()) is not None:
        _require_inside(archive, info)
        detail = info.linkname
        if info.isreg():
            detail = _receive(info, cast(IO[bytes], tar.extractfile(info)), into)
        elif into:
            later.append(info)
            if info.isdir():
                (into / info.name).mkdir(mode=0o700, exist_ok=True)
        found.add(info, detail)
        tar.members = []  # type: ignore[attr-defined]
    return later


def _require_inside(archive: Path, info: tarfile.TarInfo) -> None:
    parts = info.name.split("/")
    if info.name != TOP and (not {"", ".", ".."}.isdisjoint(parts) or "\0" in info.name):
        raise damaged(archive, f"it has the name {info.name[:80]!r}")
    if not (info.isreg() or info.isdir() or info.issym()):
        raise damaged(archive, f"{info.name[:80]!r} is neither file, directory nor link")
