# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines on a terminal that nobody but Ansible itself may send its codes to: results quote apps, images and commands."""

from __future__ import annotations

from typing import Any

from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import presentable, printable

LABEL = 8  # columns


class Screen:
    """Prints in three columns: host, label, text.

    Args:
        display: Ansible's.
    """

    def __init__(self, display: Any) -> None:
        self._display = display
        # Of the longest host name until now, in columns.
        self.width = 0

    def show(self, said: str, **how: Any) -> None:
        """Print text; `how` as for Ansible's display."""
        self._display.display(printable(said), **how)

    def line(self, host: str, label: str, said: str, colour: str, **where: bool) -> None:
        """Print one thing; further lines of it stand below the first."""
        margin = "\n" + " " * (self.width + LABEL + 4)
        self.show(f"{host:<{self.width}}  {label:<{LABEL}}  {said}".replace("\n", margin).rstrip(), color=colour, **where)

    def text(self, host: str, said: str, colour: str) -> None:
        """Print text without a label; further lines of it stand below the first."""
        margin = "\n" + " " * (max(self.width, len(host)) + 2)
        self.show(f"{host:<{self.width}}  " + said.replace("\n", margin), color=colour)

    def block(self, host: str, label: str, name: str, lines: list[str], colour: str, stderr: bool) -> None:
        """Print one thing, and below it lines of any width."""
        self.line(host, label, name, colour, stderr=stderr)
        for line in presentable("\n".join(lines)).split("\n"):
            self.show(f"  {line}".rstrip(), color=colour, stderr=stderr)
