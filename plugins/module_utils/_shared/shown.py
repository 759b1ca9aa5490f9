# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A value as messages show it."""

from __future__ import annotations


def shown(value: object) -> str:
    """Return a wrong value as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:50] + "…" + text[-1]
