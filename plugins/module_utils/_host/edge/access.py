# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the proxy may open a release's socket, judged by owners and modes."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import List, Optional, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base import proc
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import edge
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

SEARCH, WRITE = 0o1, 0o2
ACCESS_LIST = "system.posix_acl_access"

Entry = Tuple[str, os.stat_result]


def require_access(paths: AppPaths, release: str, title: str, settings: Settings) -> None:
    """Check that the proxy on this host may connect to a release's socket, which exists.

    Raises:
        ReleaseError: SOCKET_DENIED.
    """
    process = edge.pid()
    proxy = proc.identity(process) if process else None
    if proxy is None:
        return  # it is elsewhere, or does not run: what users get is asked after the switch
    socket = paths.socket(release)
    denied = denied_entry(proxy, _entries(paths.run_root, paths.route.parent, socket.parent, socket))
    if denied is None:
        return
    path, found = denied
    raise ReleaseError(
        "SOCKET_DENIED",
        f"{title} is ready, but the proxy ({proxy}) may not open {path} "
        f"(owner {found.st_uid}:{found.st_gid}, mode {found.st_mode & 0o7777:04o})",
        remedy(proxy, found, settings["user"]),
    )


def denied_entry(proxy: proc.Identity, entries: List[Entry]) -> Optional[Entry]:
    """Return the first of some directories and sockets that a process may not enter or connect to; None when it may use all."""
    for path, found in entries:
        needed = SEARCH if stat.S_ISDIR(found.st_mode) else WRITE
        if not proxy.overrides and not permissions(proxy, found) & needed:
            return path, found
    return None


def permissions(proxy: proc.Identity, found: os.stat_result) -> int:
    """Return the three bits that count for a process: the owner's, else the group's, else everybody's."""
    if found.st_uid == proxy.user:
        return found.st_mode >> 6 & 0o7
    return (found.st_mode >> 3 if found.st_gid in proxy.groups else found.st_mode) & 0o7


def remedy(proxy: proc.Identity, found: os.stat_result, user: str) -> str:
    """Return what lets the proxy in: its group where the entry has another, else a mode that counts for that group."""
    if found.st_gid in proxy.groups:
        return "have the app make its socket writable for its group: a umask of 007 (app_release_command, for gunicorn: --umask 007)"
    own = user.partition(":")[0]
    return f'set app_release_user: "{own}:{proxy.group}" (the group is the proxy\'s), run playbooks/provision.yml, then deploy again'


def _entries(*paths: Path) -> List[Entry]:
    # Where an access list says more than the mode, only the question after the switch tells.
    return [(str(path), path.lstat()) for path in paths if path.exists() and not _has_access_list(path)]


def _has_access_list(path: Path) -> bool:
    try:
        return bool(os.getxattr(path, ACCESS_LIST, follow_symlinks=False))
    except OSError:
        return False
