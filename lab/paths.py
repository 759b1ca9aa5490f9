"""Where the lab finds its sources and keeps what it makes."""

import os
import threading
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCES = REPOSITORY / "lab"
IMAGES = SOURCES / "images"
RELEASES = SOURCES / "releases"
APP = REPOSITORY / "app"

STATE = REPOSITORY / ".lab"
KNOWN_HOSTS = STATE / "known_hosts"
SSH_KEY = STATE / "id_ed25519"
CA_CERTIFICATE = STATE / "ca.crt"
CA_KEY = STATE / "ca.key"
VAULT_PASSWORD = STATE / "vault_password"
REGISTRY = STATE / "registry"


def write(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Replace `path` in one step; `mode` holds from the first byte on, so a secret is never readable by others.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
    fresh.chmod(mode)  # the umask may have taken bits away
    fresh.rename(path)
