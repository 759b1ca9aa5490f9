# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the collection's playbooks are called by whoever reads a message: by their path in a checkout, by their name elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

COLLECTION = Path(__file__).resolve().parents[2]
# Not plans and differences: they are the user's own text.
UNTOUCHED = ("plan", "diff", "release", "params")
_PATH = re.compile(r"\bplaybooks/([a-z_]+)\.yml\b")


def are_here(directory: Path, collection: Path = COLLECTION) -> bool:
    """Tell whether the collection's playbooks are at ``playbooks/`` of a directory, which is where commands are run."""
    own = directory / "playbooks"
    return own.is_dir() and own.samefile(collection / "playbooks")


def named(value: Any, here: bool) -> Any:
    """Return a result with its playbooks as they can be run: ``playbooks/deploy.yml``, or ``fairlead.fastapi.deploy``.

    Args:
        value: a text, or what a result has of lists and mappings with texts.
        here: what `are_here` says.
    """
    if here:
        return value
    if isinstance(value, str):
        return _PATH.sub(r"fairlead.fastapi.\1", value)
    if isinstance(value, list):
        return [named(one, here) for one in value]
    if isinstance(value, dict):
        return {key: one if key in UNTOUCHED else named(one, here) for key, one in value.items()}
    return value
