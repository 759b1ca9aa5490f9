# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where values were written, and what YAML made of them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

try:
    from ansible._internal._datatag._tags import Origin
except ImportError:  # Ansible keeps it for messages and does not promise it; without it, messages are only less exact
    Origin = None

# A plain number or date, as it may stand in a file.
_PLAIN = re.compile(r"[-+0-9.][-+0-9a-zA-Z_.:]*")
Read = Callable[[str], str]


def place(name: object, value: object, but: Path) -> str:
    """Return in which file and line a variable is set; empty where that is not known.

    Args:
        name: the variable's name, as Ansible has read it: it may stem from a default that was overridden.
        value: its value, which for true, false and null does not tell.
        but: folder of the collection, whose defaults nobody shall change.
    """
    for origin in filter(None, (Origin.get_tag(value), Origin.get_tag(name)) if Origin else ()):
        path = Path(origin.path or "/")
        if origin.line_num and not path.is_relative_to(but):
            return f"in {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}, line {origin.line_num}"
    return ""


def changed_by_yaml(value: object, read: Read) -> str:
    """Return how a value is written where YAML made another text of it: 22:30 is 1350 to it, 0755 is 493, and 1.10 is 1.1.

    Args:
        value: a scalar.
        read: returns a file's text.
    """
    if isinstance(value, datetime.datetime):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    written = _written(value, read)
    return written if written and str(yaml.safe_load(written)) == str(value) != written else ""


def traps(name: str, value: object, read: Read) -> list[tuple[str, str, object]]:
    """Return the scalars of a variable that YAML changed: name, how it is written, value."""
    items = {f"{name}.{key}": item for key, item in value.items()} if isinstance(value, Mapping) else {name: value}
    found = [(where, changed_by_yaml(item, read), item) for where, item in items.items()]
    return [trap for trap in found if trap[1]]


def _written(value: Any, read: Read) -> str:
    origin = Origin.get_tag(value) if Origin else None
    if not (origin and origin.path and origin.line_num and origin.col_num):
        return ""
    lines = read(origin.path).splitlines()
    line = lines[origin.line_num - 1] if origin.line_num <= len(lines) else ""
    found = _PLAIN.match(line, origin.col_num - 1)
    return found[0] if found else ""
