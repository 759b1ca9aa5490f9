"""Prints where on this host a secret can be read: in the system's journal, containers' logs, Fairlead's files beside those for secrets.

Argument: the app's name. Standard input: the secret, so that it is in no process list.
"""

import subprocess
import sys
from pathlib import Path

# Where secrets belong: a directory of files, or an environment file for images that know no files.
PLACES = {"secrets", "secrets.env"}


def said(*command: str) -> bytes:
    """Return all that a command prints."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120).stdout


def logs(app: str) -> dict[str, bytes]:
    """Return everything that logs, by name."""
    containers = said("docker", "ps", "--all", "--filter", f"label=fairlead.app={app}", "--format", "{{.Names}}").decode().split()
    return {"journalctl": said("journalctl", "--no-pager", "--quiet"), **{name: written(name) for name in containers}}


def written(container: str) -> bytes:
    """Return the files with a container's output: `docker logs` stops at a line that a full disk cut short."""
    file = Path(said("docker", "inspect", "--format", "{{.LogPath}}", container).decode().strip())
    return b"".join(part.read_bytes() for part in file.parent.glob(f"{file.name}*"))


def files() -> list[Path]:
    """Return Fairlead's files, without those that are for secrets."""
    return [path for path in Path("/opt/fairlead").rglob("*") if path.is_file() and not PLACES & set(path.parts)]


def holding(app: str, secret: bytes) -> list[str]:
    """Return the names of logs and files that have the secret."""
    found = [name for name, content in logs(app).items() if secret in content]
    return found + [str(path) for path in files() if secret in path.read_bytes()]


if __name__ == "__main__":
    print("\n".join(holding(sys.argv[1], sys.stdin.buffer.read().strip())))
