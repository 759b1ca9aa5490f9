# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The directory that a release's socket is in: a small file system in memory.

The app owns the directory. On the host's disk, an app that is otherwise read-only could fill that disk through it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import run
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import write_atomically
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

# One fstab(5) for each release; fairlead-sockets.service mounts them at boot. The role edge_proxy creates the directory once the
# proxy sees what is mounted after its own start; before that, a mount would hide the sockets from it.
MOUNTS = Path("/etc/fairlead/mounts")
# A socket needs an inode and no space; frameworks keep a pid file or two beside it.
OPTIONS = "size=1m,nr_inodes=64,nosuid,nodev,noexec,nosymfollow"
MODE = 0o2750
MOUNT_SECONDS = 20.0


def make(directory: Path, user: int) -> None:
    """Create the directory for a user; its group comes from the parent and lets the proxy in.

    Args:
        directory: `…/<app>/<release>`.
        user: the user id that the app runs as.

    Raises:
        ReleaseError: START_FAILED when it cannot be mounted, STATE_WRITE when the entry for the next boot cannot be written.
    """
    directory.mkdir(exist_ok=True)
    if os.path.ismount(directory):
        return
    if not MOUNTS.is_dir():
        shutil.chown(directory, user)
        directory.chmod(MODE)
        return
    group = directory.parent.stat().st_gid
    entry = _entry(directory)
    write_atomically(entry, f"fairlead {directory} tmpfs mode={MODE:o},uid={user},gid={group},{OPTIONS} 0 0\n", 0o644)
    done = run(["mount", "--all", "--fstab", str(entry)], MOUNT_SECONDS)
    if done.code:
        raise ReleaseError("START_FAILED", f"{directory} could not be mounted", "see mount's output below", done.err.splitlines()[-5:])


def remove(directory: Path) -> None:
    """Remove the directory and what is in it; no error when it is gone, or still in use."""
    _entry(directory).unlink(missing_ok=True)
    if os.path.ismount(directory):
        # Lazy: a process of the host that looks into it must not keep it.
        run(["umount", "--lazy", str(directory)], MOUNT_SECONDS)
    shutil.rmtree(directory, ignore_errors=True)


def _entry(directory: Path) -> Path:
    return MOUNTS / f"{directory.parent.name}-{directory.name}.fstab"
