"""The lab's machines: systemd containers that look like a fresh VPS, reached over SSH like one."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from functools import cache
from ipaddress import IPv4Address

from lab import containers, images, network, paths, registry
from lab.docker import LABEL, LabError, attempt, docker, inspect, labels
from lab.secret import ssh_key
from lab.steps import note, step

USER = "ops"
# Where apps and scenarios are unless they say so: bin/test runs scenarios on two hosts side by side.
DEFAULT = os.environ.get("FAIRLEAD_HOST", "vps1")
BOOT_SECONDS = 60
# Machines whose engine has a disk of its own, small and in memory, for tests that fill it. It is empty after a power cut.
SMALL_DISKS = {"vps9": "size=1600m,nr_inodes=150k"}
NAME = re.compile(r"vps([1-9][0-9]?)")
# systemd 256 and newer refuse cgroup v1 without this; on v2 it must not be set.
LEGACY_CGROUP = "systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"


@cache
def _cgroup_options() -> list[str]:
    version = docker("info", "--format", "{{.CgroupVersion}}")
    return ["--env", f"SYSTEMD_PROC_CMDLINE={LEGACY_CGROUP}"] if version == "1" else []


class Host:
    """One machine of the lab, by its name `vps1` … `vps99`.

    Raises:
        LabError: the name does not fit.
    """

    def __init__(self, name: str) -> None:
        match = NAME.fullmatch(name)
        if match is None:
            raise LabError(f"host {name!r}: names are vps1 to vps99")
        self.name = name
        self.address: IPv4Address = network.host_address(int(match[1]))
        self.volume = f"fairlead-{name}-docker"

    @property
    def ssh_args(self) -> list[str]:
        """Everything after `ssh` to log in as `ops` with the lab's key and known hosts."""
        options = (f"UserKnownHostsFile={paths.KNOWN_HOSTS}", "IdentitiesOnly=yes", "BatchMode=yes")
        return ["-i", str(paths.SSH_KEY), *(word for option in options for word in ("-o", option)), self.target]

    @property
    def target(self) -> str:
        """User and address for SSH."""
        return f"{USER}@{self.address}"

    @property
    def is_running(self) -> bool:
        """Whether the machine is powered on."""
        return containers.is_running(self.name)

    def run(self, command: Sequence[str], *, stdin: str = "", timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run an argument list as root on the machine, past SSH; `timeout` is in seconds.

        Raises:
            LabError: it took longer than `timeout`.
        """
        return attempt(["docker", "exec", "--interactive", self.name, *command], stdin=stdin, timeout=timeout)

    def kill(self) -> None:
        """Cut the power: no process gets a chance to end well."""
        docker("kill", self.name)

    def start(self) -> None:
        """Power on and wait until it has booted."""
        docker("start", self.name)
        self.wait()

    def reset(self) -> None:
        """Replace the machine with a bare one of the same name, address and host key, and wait until it has booted."""
        self.discard()
        self._create()
        self.start()

    def discard(self) -> None:
        """Take the machine away, with everything on it."""
        containers.remove(self.name, self.volume)

    @property
    def is_outdated(self) -> bool:
        """Whether a machine made now would differ from this one."""
        return not containers.is_current(self.name, images.HOST.name, self._options())

    @property
    def lets_us_in(self) -> bool:
        """Whether the machine knows this checkout's keys; one that another checkout made does not."""
        found = inspect("container", self.name)
        return found is not None and labels(found).get(f"{LABEL}.access") == self._access()

    def ensure(self) -> None:
        """Make or start the machine where needed; one that is there stays: somebody may be working on it.

        One that does not let us in is of no use, and is replaced.
        """
        if not self.lets_us_in:
            self.discard()
            self._create()
        elif self.is_outdated:
            note(f"{self.name} was made from an older image; `python -m lab reset {self.name}` replaces it")
        if not self.is_running:
            with step(f"boot {self.name} ({self.address})"):
                self.start()

    def wait(self) -> None:
        """Wait until every service is up and SSH answers.

        Raises:
            LabError: not within `BOOT_SECONDS`.
        """
        deadline = time.monotonic() + BOOT_SECONDS
        while (state := self._state()) != "running" or not self._ssh_answers():
            if time.monotonic() > deadline:
                failed = self.run(["systemctl", "--failed", "--no-legend", "--plain"]).stdout.strip()
                raise LabError(f"{self.name} is {state!r} after {BOOT_SECONDS} s; failed units: {failed or 'none'}")
            time.sleep(0.1)

    def _state(self) -> str:
        return self.run(["systemctl", "is-system-running", "--wait"], timeout=BOOT_SECONDS).stdout.strip()

    def _ssh_answers(self) -> bool:
        try:
            with socket.create_connection((str(self.address), 22), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _options(self) -> list[str]:
        names = [(server.alias, server.address) for server in (registry.REGISTRY, registry.MIRROR)]
        return [
            *("--hostname", self.name, "--network", network.NAME, "--ip", str(self.address)),
            # Besides Docker's own DNS, which the host's firewall rules can cut off.
            *(word for name, address in names for word in ("--add-host", f"{name}:{address}")),
            *("--privileged", "--cgroupns=private", "--env", "container=docker", *_cgroup_options()),
            *("--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec"),
            *("--volume", f"{self.volume}:/var/lib/docker"),  # an overlay cannot lie on the container's own overlay
            *("--label", f"{LABEL}.access={self._access()}"),
        ]

    def _disk(self) -> list[str]:
        limits = SMALL_DISKS.get(self.name)
        settings = ("type=tmpfs", "device=tmpfs", f"o={limits}") if limits else ()
        return [word for setting in settings for word in ("--opt", setting)]

    def _access(self) -> str:
        return f"{ssh_key(paths.SSH_KEY.name)} {self.host_key()}"

    def host_key(self) -> str:
        """Return the public host key, which outlives a reset."""
        return ssh_key(f"hosts/{self.name}/ssh_host_ed25519_key")

    def _create(self) -> None:
        docker("volume", "create", "--label", f"{LABEL}=1", *self._disk(), self.volume)
        containers.create(self.name, images.HOST.name, self._options())
        docker("cp", "--quiet", f"{paths.SSH_KEY}.pub", f"{self.name}:/home/{USER}/.ssh/authorized_keys")
        keys = paths.STATE / "hosts" / self.name
        docker("cp", "--quiet", f"{keys}/.", f"{self.name}:/etc/ssh/")


def ensure(names: Iterable[str]) -> None:
    """Have these machines up, and their keys in `.lab/known_hosts`."""
    for host in [Host(name) for name in names]:  # all names are checked before the first is made
        host.ensure()
    write_known_hosts()


def write_known_hosts() -> None:
    """Write `.lab/known_hosts` for all machines that were ever made here."""
    folders = sorted((paths.STATE / "hosts").iterdir())
    lines = [f"{folder.name},{Host(folder.name).address} {Host(folder.name).host_key()}\n" for folder in folders]
    paths.write(paths.KNOWN_HOSTS, "".join(lines))


def existing() -> list[Host]:
    """Return the machines that there are, running or not."""
    names = docker("ps", "--all", "--filter", f"label={LABEL}", "--format", "{{.Names}}").splitlines()
    return [Host(name) for name in sorted(names) if NAME.fullmatch(name)]
