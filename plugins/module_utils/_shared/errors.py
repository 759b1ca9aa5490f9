# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one exception that release stages raise, and how its words become what people read."""

from __future__ import annotations

import base64
import json
from typing import Any, Iterable, List
from urllib.parse import quote

MASK = "********"
# Shorter strings occur by chance in ordinary text; masking them would garble every message.
SHORTEST_SECRET = 4
# Enough for any statement or traceback that helps, whatever an app logs: characters of a line, lines of a message.
LINE_CHARACTERS = 600
MESSAGE_LINES = 200


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
        for form in (secret, quote(secret, safe=""), quote(secret), encoded, json.dumps(secret)[1:-1]):
            text = text.replace(form, MASK)
    return text


def printable(text: str) -> str:
    """Return `text` with everything that is no visible character, line end or tab as its escape.

    What an app logs or answers reaches a terminal this way: colours, titles, cursor movements and reversed text stay harmless.
    """
    text = text.replace("\r\n", "\n")
    if text.translate({ord("\n"): None, ord("\t"): None}).isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode("ascii") for c in text)


def printable_in(value: Any) -> Any:
    """Return a value with all text in it, at whatever depth, made printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable_in(key): printable_in(item) for key, item in value.items()}
    return [printable_in(item) for item in value] if isinstance(value, (list, tuple)) else value


def presentable(text: str) -> str:
    """Return `text` printable and short enough to be read: long lines are cut, and of many lines the middle is left out."""
    # Cut first: an escape is longer than what it stands for.
    lines = [_cut(line) for line in _fewer(text.replace("\r\n", "\n").split("\n"))]
    return printable("\n".join(lines))


def _fewer(lines: List[str]) -> List[str]:
    surplus, half = len(lines) - MESSAGE_LINES, MESSAGE_LINES // 2
    return lines if surplus <= 0 else [*lines[:half], f"[{surplus} lines were left out here]", *lines[-half:]]


def _cut(line: str) -> str:
    surplus = len(line) - LINE_CHARACTERS
    return line if surplus <= 0 else f"{line[:LINE_CHARACTERS]} [{surplus} more characters]"


def explain(error: ReleaseError, serving: str = "", secrets: Iterable[str] = ()) -> str:
    """Return what people read of a failure: what happened, what serves now, what to do, evidence.

    Args:
        error: the failure.
        serving: the release that users get now; empty where that is not the question.
        secrets: what must not be shown.
    """
    lines = [f"{error.code}: {error.what}", *([f"Serving now: {serving}"] if serving else []), f"To do: {error.todo}"]
    if error.details:
        lines += ["Evidence:", *(f"  {line}" for line in error.details)]
    # Masked before it is cut, or a part of a secret would be left.
    return presentable(redact("\n".join(lines), secrets))
