# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs squawk, the linter of migrations, on the controller."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

SECONDS = 60.0
# The oldest that has the settings which a migrator's role needs; what a statement locks depends on it.
POSTGRES = "14.0"
MISSING = (
    "squawk, which judges migrations, is not installed on the controller: pip install squawk-cli, beside ansible-core; "
    "or -e app_release_migrate_lint=false, then every migration counts as unknown"
)


class SquawkError(Exception):
    """The linter is missing, or did not answer."""


def find() -> Optional[str]:
    """Return the path of squawk: beside the Python that runs Ansible, or on the PATH; None when there is none."""
    beside = Path(sys.executable).parent / "squawk"
    return str(beside) if os.access(beside, os.X_OK) else shutil.which("squawk")


def lint(sql: str) -> List[Dict[str, Any]]:
    """Return what squawk reports about this SQL: dictionaries with ``line`` (counted from 0), ``rule_name``, ``message``.

    Raises:
        SquawkError: it is missing, or did not answer.
    """
    program = find()
    if program is None:
        raise SquawkError(MISSING)
    # Settings of whatever directory one deploys from would turn rules off.
    command = [program, "--config", os.devnull, "--pg-version", POSTGRES, "--reporter", "json"]
    try:
        done = subprocess.run(command, input=sql, capture_output=True, text=True, timeout=SECONDS, check=False)  # pylint: disable=ansible-bad-function
        reports: List[Dict[str, Any]] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise SquawkError(f"{program} did not answer as a linter: {error}") from error
    return reports
