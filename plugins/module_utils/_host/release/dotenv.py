# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Environment files as Docker Compose reads them."""

from __future__ import annotations

import re
from typing import Dict, Mapping

# In double quotes Compose's reader undoes exactly these escapes; a bare `$` would be interpolated.
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "$": "\\$", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def render(variables: Mapping[str, str]) -> str:
    """Return `variables` as the text of an env file, sorted by name so that the same input gives the same bytes."""
    return "".join(f'{name}="{value.translate(_ESCAPES)}"\n' for name, value in sorted(variables.items()))


_UNESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_LINE = re.compile(r'^([^=\n]+)="((?:[^"\\\n]|\\.)*)"$', re.MULTILINE)


def parse(text: str) -> Dict[str, str]:
    """Return the variables of a text that `render` wrote."""
    return {
        name: re.sub(r"\\(.)", lambda found: _UNESCAPES.get(found.group(1), found.group(1)), value) for name, value in _LINE.findall(text)
    }
