# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands of a release's image, each in a container of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import List, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import CommandTimeout, Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations import schema

# Services of the Compose file. Only `MIGRATE` reaches the database and knows the secrets.
MIGRATE, PLAN = "migrate", "plan"


@dataclass(frozen=True)
class Image:
    """A release's image with its configuration, short of being a release: enough to ask it about its migrations and to run them.

    Args:
        project: the Compose project's name.
        directory: the bundle.
        title: for messages.
        reference: the image by digest.
        settings: of the release.
    """

    project: str
    directory: Path
    title: str
    reference: str
    settings: Settings

    def run(self, command: Sequence[str], seconds: float, merge: bool = False) -> Finished:
        """Run a command as migrations are run: with their configuration, on the app's networks.

        Args:
            command: the words.
            seconds: how long it may take.
            merge: put standard error into its output.

        Raises:
            CommandTimeout: it did not end; its container is gone.
        """
        return self._run(MIGRATE, command, seconds, merge)

    def ask(self, command: Sequence[str], seconds: float) -> Finished:
        """Run a command that cannot change anything, whatever it does: without a network, with placeholders for secrets.

        Raises:
            CommandTimeout: it did not end; its container is gone.
        """
        return self._run(PLAN, command, seconds, merge=False)

    def _run(self, service: str, command: Sequence[str], seconds: float, merge: bool) -> Finished:
        name = f"{self.project}-{service}"
        words = ("--profile", service, "run", "--rm", "--no-deps", "--no-TTY", "--name", name, service, *command)
        try:
            return docker.compose(self.project, self.directory, *words, seconds=seconds, merge=merge)
        except CommandTimeout:
            # Ending the Compose client does not end the container.
            docker.remove(name)
            raise

    @property
    def tool(self) -> str:
        return schema.tool_of(self.settings)

    @property
    def entrypoint(self) -> List[str]:
        """What the image itself would start commands with."""
        return docker.entrypoint(self.reference)
