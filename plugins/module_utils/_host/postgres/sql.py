# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names and values in SQL."""

from __future__ import annotations


def identifier(name: str) -> str:
    """Return a name as SQL wants it."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return a value as SQL wants it."""
    return "'" + value.replace("'", "''") + "'"
