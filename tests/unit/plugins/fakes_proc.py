"""What the kernel tells of processes, as it writes it under /proc and /sys/fs/cgroup."""

import shutil
from collections.abc import Sequence
from pathlib import Path

# The edge's process, in whose network namespace the kernel lists what it has connected to.
EDGE = 4000
UNIX_HEAD = "Num       RefCount Protocol Flags    Type St Inode Path"
UNIX_LISTENING = "0000000000000000: 00000002 00000000 00010000 0001 01 111110 {path}"
UNIX_CONNECTED = "0000000000000000: 00000003 00000000 00000000 0001 03 {inode} {path}"
# The other end of a connection has no path; what waits in the backlog is not accepted yet.
UNIX_OTHERS = (
    "0000000000000000: 00000003 00000000 00000000 0001 03 111112",
    "0000000000000000: 00000003 00000000 00000000 0001 02 111113 {path}",
    "0000000000000000: 00000003 00000000 00000000 0001 03 111114 /run/other.sock",
    "0000000000000000: 00000003 00000000 00000000 0001 03 111115 {path}",  # of another release
)
TCP_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
TCP_LINE = "   {n}: {local} {remote} {state} 00000000:00000000 00:00000000 00000000 10001        0 222222 1 0000000000000000 100 0 0 10 0"


class Proc:
    """A directory in the place of /proc."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cgroups = root.with_name("cgroup")

    def unix(self, pid: int, connected: int, path: str = "/run/fairlead/api.sock") -> None:
        """Have so many connections from the edge to the socket of a release's process, among others."""
        inodes = range(500, 500 + connected)
        lines = [UNIX_LISTENING, *UNIX_OTHERS, *(UNIX_CONNECTED.replace("{inode}", str(inode)) for inode in inodes)]
        self._write(EDGE, "unix", [UNIX_HEAD, *(line.format(path=path) for line in lines)])
        files = self.root / str(pid) / "fd"
        shutil.rmtree(files, ignore_errors=True)
        files.mkdir(parents=True)
        (files / "1").symlink_to("pipe:[42]")
        for inode in (111112, 111113, 111114, *inodes):
            (files / str(inode)).symlink_to(f"socket:[{inode}]")

    def tcp(self, pid: int, connected: int, port: int) -> None:
        """Have so many connections to a port, among others: a closing one, one to the outside, one to another port."""
        own, other, local = f"050014AC:{port:04X}", f"050014AC:{port + 1:04X}", f"00000000:{port:04X}"
        rows = [(local, "00000000:0000", "0A"), (own, "010014AC:C001", "06"), ("050014AC:D001", own, "01"), (other, "010014AC:C002", "01")]
        rows += [(own, f"010014AC:E{n:03X}", "01") for n in range(connected)]
        lines = [TCP_LINE.format(n=n, local=mine, remote=remote, state=state) for n, (mine, remote, state) in enumerate(rows)]
        self._write(pid, "tcp", [TCP_HEAD, *lines])

    def listens(self, pid: int, *addresses: tuple[str, int], paths: Sequence[str] = ()) -> None:
        """Have a container listen on addresses, as the kernel writes them, and on sockets; Docker's resolver does in each."""
        rows = [("0B00007F", 35000), *addresses]
        lines = {size: [TCP_HEAD] for size in (8, 32)}
        for n, (address, port) in enumerate(rows):
            lines[len(address)].append(TCP_LINE.format(n=n, local=f"{address}:{port:04X}", remote="00000000:0000", state="0A"))
        self._write(pid, "tcp", lines[8])
        self._write(pid, "tcp6", lines[32])
        self._write(pid, "unix", [UNIX_HEAD, *UNIX_OTHERS, *(UNIX_LISTENING.format(path=path) for path in paths)])

    def identity(self, pid: int, user: int, group: int, groups: Sequence[int] = (), capabilities: int = 0) -> None:
        """Have a process run as somebody; its real ids are root's, which do not count."""
        status = f"Name:\tcaddy\nUid:\t0\t0\t0\t{user}\nGid:\t0\t0\t0\t{group}\nGroups:\t{' '.join(map(str, groups))} \n"
        directory = self.root / str(pid)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "status").write_text(f"{status}CapEff:\t{capabilities:016x}\n")

    def memory(self, pid: int, killed: int | None, version: int = 1) -> None:
        """Have the kernel tell how many processes of a container it killed for memory."""
        directory = self.root / str(pid)
        directory.mkdir(parents=True, exist_ok=True)
        lines = {1: "9:name=systemd:/docker/abc\n4:memory:/docker/abc\n0::/\n", 2: "0::/system.slice/docker-abc.scope\n"}
        file = {1: "memory/docker/abc/memory.oom_control", 2: "system.slice/docker-abc.scope/memory.events"}[version]
        (directory / "cgroup").write_text(lines[version])
        (self.cgroups / file).parent.mkdir(parents=True, exist_ok=True)
        (self.cgroups / file).write_text("under_oom 0\noom 7\n" + ("" if killed is None else f"oom_kill {killed}\n"))

    def _write(self, pid: int, table: str, lines: list[str]) -> None:
        directory = self.root / str(pid) / "net"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / table).write_text("".join(f"{line}\n" for line in lines))
