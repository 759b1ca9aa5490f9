# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a release is probed, migrated and stopped: what its variables asked for when it was made, kept in its bundle.

``roles/app_release/vars/main.yml`` makes them.
"""

from __future__ import annotations

from typing import Any, Dict, List, Literal, TypedDict

# The commands of an image that deploys run.
Command = Literal["migrate_command", "migrate_before_command", "migrate_after_command", "migrate_pending_command"]


class _Later(TypedDict, total=False):
    """What bundles of earlier versions may lack."""

    domains: List[Dict[str, Any]]
    volumes: List[Dict[str, Any]]
    tmpfs: List[str]
    request_seconds: int


class Settings(_Later):
    """Each is named after its variable, ``app_release_…`` or ``app_…``; `domain` is the first of `domains`."""

    domain: str
    listen: str
    port: int
    networks: List[str]
    user: str
    migrate: bool
    migrate_command: List[str]
    migrate_before_command: List[str]
    migrate_after_command: List[str]
    migrate_pending_command: List[str]
    migrate_version_table: str
    migrate_seconds: int
    migrate_lock_tries: int
    migrate_backup: bool
    live_path: str
    ready_path: str
    docs_path: str
    identity: str
    pull_seconds: int
    ready_seconds: float
    ready_successes: int
    bake_seconds: float
    bake_errors: float
    drain_seconds: float
    stop_grace_seconds: int
    keep: int
    disk_megabytes: int
    memory_bytes: int
    public_address: str
    public_port: int
    public_authority: str
