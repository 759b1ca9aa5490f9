# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which ansible-core the collection needs: what meta/runtime.yml says, of which Ansible only warns."""

from __future__ import annotations

import re
from pathlib import Path

RUNTIME = Path(__file__).resolve().parents[2] / "meta" / "runtime.yml"
_NEEDED = re.compile(r"""^requires_ansible: ">=([0-9.]+)"$""", re.MULTILINE)


def refusal(present: str, runtime: str = "") -> str:
    """Say why a version of ansible-core is too old; empty when it is not.

    Args:
        present: its version, as ``2.21.5``.
        runtime: the text of meta/runtime.yml, where it is not read from there.
    """
    needed = _NEEDED.findall(runtime or RUNTIME.read_text(encoding="utf-8"))[0]
    if _numbers(present) >= _numbers(needed):
        return ""
    return (
        f"CONTROLLER_TOO_OLD: ansible-core {present} runs this, and fairlead.fastapi needs {needed} or newer; nothing was changed. "
        f"To do: pip install 'ansible-core>={needed}' where ansible-playbook is"
    )


def _numbers(version: str) -> tuple[int, ...]:
    """Return the first two or three numbers of a version; those before a release (``2.22.0b1``) count as that release."""
    return tuple(int(number) for number in re.findall(r"[0-9]+", version)[:3])
