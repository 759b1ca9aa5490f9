# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program for hosts, as this version of the collection has it."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

_COLLECTION = Path(__file__).parents[2]
_PACKAGE = "ansible_collections/fairlead/fastapi"
_ROOMS = ("_host", "_shared")
# What Python runs when it is given the directory.
_MAIN = """import sys

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.program.main import main

sys.exit(main())
"""
_NAME_CHARACTERS = 16


@dataclass(frozen=True)
class Program:
    """The program for hosts.

    Args:
        files: the content of each file, by its path.
    """

    files: dict[str, bytes]

    @property
    def name(self) -> str:
        """What its directory on hosts is called: the hash of its content."""
        told = hashlib.sha256()
        for path, content in sorted(self.files.items()):
            told.update(f"{path}\0{len(content)}\0".encode() + content)
        return told.hexdigest()[:_NAME_CHARACTERS]

    def archive(self) -> bytes:
        """Return its files as a zip file."""
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, content in sorted(self.files.items()):
                archive.writestr(path, content)
        return written.getvalue()


@cache
def program() -> Program:
    """Return the program of this version of the collection: all code that works on hosts, and nothing else."""
    files = dict(_sources())
    # Packages, because without __init__.py one of an Ansible that is installed on the host would come first.
    folders = {str(folder) for name in files for folder in Path(name).parents if folder.name}
    return Program({"__main__.py": _MAIN.encode(), **{f"{folder}/__init__.py": b"" for folder in folders}, **files})


def _sources() -> Iterator[tuple[str, bytes]]:
    for room in _ROOMS:
        for file in (_COLLECTION / "plugins/module_utils" / room).rglob("*.py"):
            yield f"{_PACKAGE}/{file.relative_to(_COLLECTION)}", file.read_bytes()


@cache
def version() -> str:
    """Return the version of the collection: of a checkout or, where it was installed, of its manifest."""
    galaxy = _COLLECTION / "galaxy.yml"
    if galaxy.is_file():
        return str(yaml.safe_load(galaxy.read_text(encoding="utf-8"))["version"])
    return str(json.loads((_COLLECTION / "MANIFEST.json").read_text(encoding="utf-8"))["collection_info"]["version"])
