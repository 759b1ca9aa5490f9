# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records on the host that survive crashes and tell when they are damaged."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import write_json
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

# What a record without a format of its own is written in.
FIRST = 1
# What reading something else than a record raises.
UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)


@dataclass(frozen=True)
class Stored:
    """What was found under a record's name.

    Args:
        body: the content without schema and checksum; None when there is nothing that can be read.
        damage: what is wrong with the file; empty when it is whole or never was. `body` is then the copy before it, if that is whole.
    """

    body: Optional[Dict[str, Any]]
    damage: str = ""


def previous_of(path: Path) -> Path:
    """Return where the copy before the current one lies."""
    return path.with_name(f"{path.name}.previous")


def write_state(path: Path, body: Dict[str, Any], schema: int = FIRST) -> None:
    """Replace a record atomically, with schema and checksum, and keep the copy before it.

    Args:
        path: the file.
        body: its content.
        schema: number of the content's format.

    Raises:
        ReleaseError: STATE_WRITE; the record is then as it was.
    """
    if path.exists():
        # A second name for the same content: nothing is copied, so a full disk is no hindrance.
        spare = path.with_name(f".{path.name}.spare")
        with contextlib.suppress(OSError):
            spare.unlink(missing_ok=True)
            os.link(path, spare)
            spare.replace(previous_of(path))
    content = {"schema": schema, **body}
    write_json(path, {**content, "checksum": _checksum(content)})


def read_state(path: Path, keys: Sequence[str], newest: int = FIRST) -> Stored:
    """Read a record; when it is damaged, the copy before it.  Nothing is changed.

    Args:
        path: a file that `write_state` wrote.
        keys: what the record must have at least.
        newest: the newest format that the caller can read; it can read all before it.

    Raises:
        ReleaseError: STATE_SCHEMA when another version of the collection wrote it.
    """
    try:
        body = _load(path, keys, newest)
        damage = "" if body or not previous_of(path).exists() else f"{path} is gone"
    except ValueError as error:
        body, damage = None, f"{path} is damaged ({error})"
    if not damage:
        return Stored(body)
    try:
        return Stored(_load(previous_of(path), keys, newest), damage)
    except ValueError:
        return Stored(None, damage)


def set_aside(path: Path) -> None:
    """Rename a damaged record, so that it can be looked at later; one that is gone leaves nothing to look at."""
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    if path.exists():
        path.rename(aside)


def _load(path: Path, keys: Sequence[str], newest: int) -> Optional[Dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if not isinstance(content, dict) or "schema" not in content:
        raise ValueError("it is not a record of Fairlead's")
    if content["schema"] not in range(FIRST, newest + 1):
        raise ReleaseError(
            "STATE_SCHEMA",
            f"{path} was written by another version of Fairlead (format {content['schema']}; this one reads formats up to {newest})",
            "use the version of the collection that wrote it, or a newer one",
        )
    if content.pop("checksum", None) != _checksum(content):
        raise ValueError("its checksum does not fit its content")
    del content["schema"]
    missing = [key for key in keys if key not in content]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing")
    return content


def _checksum(content: Dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
