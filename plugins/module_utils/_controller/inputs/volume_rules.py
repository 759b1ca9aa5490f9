# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with `app_volumes`, beyond what a type can say."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePosixPath
from typing import Any, Iterator, List, Mapping, Optional, Sequence

_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
_PATH = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9._-]*)+")
# Mounted by Docker or by Fairlead, or what the container needs to run at all.
_TAKEN = ("/run/secrets", "/run/fairlead", "/proc", "/sys", "/dev", "/etc", "/bin", "/sbin", "/lib", "/lib64", "/usr/bin", "/usr/lib")
PROCESSES = ("all", ["all"], ["api"])


def problem(volumes: object) -> Optional[str]:
    """Say what is wrong with a list of volumes; None when nothing is."""
    if not isinstance(volumes, list) or not all(isinstance(volume, dict) for volume in volumes):
        return "a list of volumes like {name: data, path: /data, backup: true} belongs here"
    found = [*_entry_problems(volumes), *_pair_problems(volumes)]
    return "; ".join(found) or None


def _entry_problems(volumes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for volume in volumes:
        name, path = volume.get("name"), volume.get("path")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            yield f"{name!r} is not a name for a volume (lower-case letters, digits, '-'; starts with a letter; at most 30)"
        if not isinstance(path, str) or not _PATH.fullmatch(path):
            yield f"{path!r} is not an absolute path below / in the container (letters, digits, '.', '_', '-')"
        elif taken := [other for other in _TAKEN if _overlap(path, other)]:
            yield f"{path} overlaps {taken[0]}, which is not the app's"
        if volume.get("processes", "all") not in PROCESSES:
            yield f"{name}: processes is {volume['processes']!r}; there is no other process than api yet: all, or [api]"
        if volume.get("before_backup") and not volume.get("backup"):
            yield f"{name}: before_backup has no effect without backup: true"


def _pair_problems(volumes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    names = Counter(str(volume.get("name")) for volume in volumes)
    yield from (f"there are {number} volumes named {name}" for name, number in names.items() if number > 1)
    paths = sorted(str(volume.get("path")) for volume in volumes)
    for position, path in enumerate(paths):
        yield from (f"the paths {path} and {other} overlap" for other in paths[position + 1 :] if _overlap(path, other))


def _overlap(one: str, other: str) -> bool:
    """Tell whether a path is the other one, or in it, or around it."""
    first, second = PurePosixPath(one), PurePosixPath(other)
    return first == second or first in second.parents or second in first.parents


def tmpfs_problems(volumes: object, tmpfs: object) -> List[str]:
    """Say which volumes are mounted where a tmpfs is as well."""
    if not isinstance(volumes, list) or not isinstance(tmpfs, list):
        return []
    memory = {str(entry).partition(":")[0] for entry in tmpfs}
    both = sorted(str(volume["path"]) for volume in volumes if isinstance(volume, dict) and volume.get("path") in memory)
    return [f"app_volumes: {path} is in app_release_tmpfs as well; take it out of one of the two" for path in both]


def placement_problems(volumes: object, groups: Mapping[str, Sequence[str]], elsewhere: bool) -> List[str]:
    """Say that backups, which are made on one host, would not have an app's volumes.

    Args:
        volumes: as they were set.
        groups: hosts by group of the inventory.
        elsewhere: whether there is no database on a host of the inventory; backups are then made on the first app host.
    """
    backed_up = [str(v.get("name")) for v in volumes if isinstance(v, dict) and v.get("backup")] if isinstance(volumes, list) else []
    app_hosts, data_hosts = list(groups.get("app_hosts", [])), list(groups.get("data_hosts", []))
    makes_backups = app_hosts[:1] if elsewhere or not data_hosts else data_hosts[:1]
    if not backed_up or not app_hosts or app_hosts == makes_backups:
        return []
    return [
        f"app_volumes: backups are made on {makes_backups[0]}, and would not have {', '.join(backed_up)} of {', '.join(app_hosts)}: set "
        "backup: false and copy them by other means, or have one app host that is the data host as well"
    ]
