# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Directories and files of a role, in one call."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.provision.files import Attributes, Changes, File, checksums

ROOTS = {"owner": "root", "group": "root", "mode": "0600", "secret": False, "validate": ()}


def run(params: Dict[str, Any], check: bool) -> Dict[str, Any]:
    """Bring them to what is wanted, in order: directories, files, what has to go, records of checksums."""
    changes = Changes(check)
    for directory in params["directories"]:
        changes.directory(Path(directory["path"]), Attributes.from_options(directory))
    for file in params["files"]:
        changes.file(File.from_options(file))
    for path in params["absent"]:
        changes.absent(Path(path))
    if not check:  # of what was not written there is nothing to record
        for record in params["checksums"]:
            changes.file(File.from_options({**ROOTS, "path": record["path"], "content": checksums(record["of"])}))
    return {"changed": bool(changes.paths), "paths": changes.paths, "diff": changes.diffs}
