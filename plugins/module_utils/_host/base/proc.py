# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel tells of a container's processes: where they listen, who they are, what killed some."""

from __future__ import annotations

import ipaddress
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import FrozenSet, List, Optional

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
# A container may make its own tables as long as it likes.
TABLE_BYTES = 4 * 1024 * 1024
# As the kernel writes them into /proc/net: a TCP socket that listens, and the flag of a unix socket that does.
TCP_LISTENS = "0A"
UNIX_LISTENS = "00010000"
FEWEST_FIELDS = 7
# Where Docker's own resolver listens in every container that has a network with a name.
RESOLVER = "127.0.0.11"
CAP_DAC_OVERRIDE = 1 << 1


@dataclass(frozen=True)
class Listening:
    """A socket that accepts connections: a path, or an address with a port."""

    path: str = ""
    address: str = ""
    port: int = 0

    @property
    def everywhere(self) -> bool:
        return ipaddress.ip_address(self.address).is_unspecified

    def __str__(self) -> str:
        if self.path:
            return f"the socket {self.path}"
        return f"TCP {self.port} (all addresses)" if self.everywhere else f"{self.address}:{self.port} only"


@dataclass(frozen=True)
class Identity:
    """As whom a process opens files."""

    user: int
    group: int
    groups: FrozenSet[int]
    overrides: bool

    def __str__(self) -> str:
        return f"{self.user}:{self.group}"


def table(pid: int, name: str) -> List[List[str]]:
    """Return the fields of each line of a table in a process's network namespace; nothing when it has ended."""
    rows = [line.split() for line in _read(PROC / str(pid) / "net" / name).splitlines()[1:]]
    # A socket's path may have line ends, and what follows one is no line of the kernel's.
    return [row for row in rows if len(row) >= FEWEST_FIELDS]


def listening(pid: int) -> List[Listening]:
    """Return all that a container listens on, given any of its processes; nothing when it has ended."""
    tcp = [_tcp(f[1]) for name in ("tcp", "tcp6") for f in table(pid, name) if f[3] == TCP_LISTENS]
    paths = [" ".join(f[7:]) for f in table(pid, "unix") if f[3] == UNIX_LISTENS]
    unix = [Listening(path) for path in paths if path.startswith("/")]
    return sorted({*(one for one in tcp if one.address != RESOLVER), *unix}, key=lambda one: (one.path, one.port, one.address))


def identity(pid: int) -> Optional[Identity]:
    """Return as whom a process opens files; None when it has ended."""
    status = dict(re.findall(r"^(\w+):\t(.*)$", _read(PROC / str(pid) / "status"), re.MULTILINE))
    if "Uid" not in status:
        return None
    # The fourth is the one for files.
    user, group = (int(status[key].split()[3]) for key in ("Uid", "Gid"))
    groups = frozenset(map(int, status.get("Groups", "").split()))
    return Identity(user, group, groups | {group}, bool(int(status.get("CapEff", "0"), 16) & CAP_DAC_OVERRIDE))


def killed_for_memory(pid: int) -> Optional[int]:
    """Return how many processes of a container the kernel has killed because its memory was full; None when it does not tell."""
    for line in _read(PROC / str(pid) / "cgroup").splitlines():
        dummy, controllers, path = line.split(":", 2)
        if controllers == "":
            file = CGROUPS / path.lstrip("/") / "memory.events"
        elif "memory" in controllers.split(","):
            file = CGROUPS / "memory" / path.lstrip("/") / "memory.oom_control"
        else:
            continue
        found = re.search(r"^oom_kill ([0-9]+)$", _read(file), re.MULTILINE)
        if found:
            return int(found[1])
    return None


def _tcp(local: str) -> Listening:
    address, dummy, port = local.partition(":")
    # Each word of four bytes is written as a number of this machine's.
    packed = b"".join(int(address[i : i + 8], 16).to_bytes(4, sys.byteorder) for i in range(0, len(address), 8))
    found = ipaddress.ip_address(packed)
    mapped = getattr(found, "ipv4_mapped", None)
    return Listening(address=str(mapped or found), port=int(port, 16))


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(TABLE_BYTES).decode("ascii", errors="replace")
    except OSError:
        return ""
