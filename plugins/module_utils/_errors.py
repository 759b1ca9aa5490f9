# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one exception that release stages raise, and how secrets are kept out of what it carries.  Private to this collection."""

from __future__ import annotations

import base64
import json
from typing import Iterable
from urllib.parse import quote

MASK = "********"
# Shorter strings occur by chance in ordinary text; masking them would garble every message.
SHORTEST_SECRET = 4


class ReleaseError(Exception):
    """A stage cannot go on.

    Args:
        code: stable failure code, for example ``NOT_READY`` (documented in docs/failures.md).
        what: what happened, in one or two sentences.
        todo: what the operator does next.
        details: evidence, one line each: probe answers, log lines, command output.
    """

    def __init__(self, code: str, what: str, todo: str, details: Iterable[str] = ()) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.todo = todo
        self.details = list(details)
        # The whole message, once it was put together on the host; empty before.
        self.message = ""


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with each secret masked, also where it was URL-, base64- or JSON-encoded, and each line of a long one."""
    parts = {part for secret in secrets for part in (secret, *secret.splitlines())}
    for secret in sorted(parts, key=len, reverse=True):
        if len(secret) < SHORTEST_SECRET:
            continue
        encoded = base64.b64encode(secret.encode()).decode()
        for form in {secret, quote(secret, safe=""), quote(secret), encoded, json.dumps(secret)[1:-1]}:
            text = text.replace(form, MASK)
    return text
