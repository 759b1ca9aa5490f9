# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records that another version wrote, read into dataclasses."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Dict, Mapping


def known_fields(record: type, told: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what a dataclass has a field for; a newer version may have written more.

    Raises:
        TypeError: `told` is no mapping.
    """
    return {one.name: told[one.name] for one in fields(record) if one.name in told}
