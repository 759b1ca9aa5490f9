# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a container gets in place of a secret, so that settings can be read without it."""

from __future__ import annotations

import re

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# Long enough for checks of length, and valid Base64 of 32 bytes, which is what keys mostly have to be.
TEXT = "A" * 43 + "="


def placeholder(secret: str) -> str:
    """Return a value of the same kind as a secret that tells nothing more of it."""
    stripped = secret.strip()
    url = _URL.match(stripped)
    if url:
        return f"{url[1]}://placeholder:placeholder@placeholder.invalid:1/1"
    if stripped.startswith(("{", "[")):
        return "{}" if stripped.startswith("{") else "[]"
    if stripped.isdecimal():
        return "1"
    return TEXT if stripped else ""
