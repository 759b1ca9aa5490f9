"""A Debian 13 root file system without any container registry."""

import os
import shlex
import shutil
from pathlib import Path

from lab import paths
from lab.docker import LabError, attempt, run
from lab.steps import note

DOCKER_CLEAN = paths.IMAGES / "debian" / "docker-clean"
SMALLEST_BYTES = 50_000_000
EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
OPTIONS = (
    *("--variant=minbase", "--components=main", "--include=ca-certificates"),
    *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED),
)


def apt_install(*packages: str) -> None:
    """Install Debian packages on this machine, with sudo where needed.

    Raises:
        LabError: apt failed.
    """
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run([*prefix, "apt-get", "-qq", "update"], timeout=120)
    run([*prefix, "apt-get", "-qq", "-y", "install", "--no-install-recommends", *packages], environment=quiet)


def sources() -> list[str]:
    """Return apt source lines for Debian 13 on the mirrors that this machine uses; none: mmdebstrap's own default."""
    fields = ["$(REPO_URI)", "$(LABEL)"]
    listed = attempt(["apt-get", "indextargets", "--format", " ".join(fields), "Created-By: Packages"])
    lines = []
    for uri, label in sorted({tuple(line.split(" ", 1)) for line in listed.stdout.splitlines() if " " in line}):
        if label == "Debian":
            lines += [f"deb {uri} {suite} main" for suite in ("trixie", "trixie-updates")]
        if label == "Debian-Security":
            lines.append(f"deb {uri} trixie-security main")
    return lines if any(" trixie main" in line for line in lines) else []


def build_root(target: Path) -> None:
    """Write a minimal Debian 13 root as the tar file `target`, much like the official slim image.

    Raises:
        LabError: no mirror answered, or the result is too small to be a Debian.
    """
    if shutil.which("mmdebstrap") is None:
        note("installing mmdebstrap with apt, it makes Debian root file systems")
        apt_install("mmdebstrap", "debian-archive-keyring")
    clean = f"--setup-hook=copy-in {shlex.quote(str(DOCKER_CLEAN))} /etc/apt/apt.conf.d"
    run(["mmdebstrap", *OPTIONS, clean, "trixie", str(target), *sources()])
    if target.stat().st_size < SMALLEST_BYTES:
        raise LabError(f"mmdebstrap made a root of only {target.stat().st_size} bytes; does the Debian mirror answer?")
