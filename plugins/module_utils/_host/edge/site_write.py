# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's site and certificate, written only when the proxy would start with them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Dict, List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base import command
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import write_atomically
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import edge as _edge
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge.site import site_file
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

MODE = 0o400
VALIDATE_SECONDS = 60.0
CADDYFILE = "Caddyfile"
# In memory: the copy has the keys of all certificates.
TEMPORARY = "/run"


def certificate_file(app: str, edge: Path) -> Path:
    """Return the path of an app's certificate with its key: one file, because two cannot be replaced at once."""
    return edge / "certificates" / f"{app}.pem"


def contents(app: str, edge: Path, site: str, pem: str) -> Dict[Path, str]:
    """Return the files of an app in the order in which they are written: the certificate before the site that names it."""
    certificate = {certificate_file(app, edge): pem} if pem else {}
    return {**certificate, site_file(app, edge): site}


def leftovers(app: str, edge: Path, pem: str) -> List[Path]:
    """Return files of the app that no site names any more; earlier versions of the collection kept certificate and key apart."""
    directory = certificate_file(app, edge).parent
    names = [f"{app}.crt", f"{app}.key", *([] if pem else [f"{app}.pem"])]
    return [directory / name for name in names if (directory / name).exists()]


def changed(files: Dict[Path, str]) -> bool:
    """Tell whether a file is to be written."""
    return any(read(path) != content for path, content in files.items())


def read(path: Path) -> Optional[str]:
    """Return a file's text; None when there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def validate(files: Dict[Path, str], edge: Path, image: str) -> None:
    """Have the proxy's own image read the whole configuration with these files in place.

    Raises:
        ReleaseError: PROXY_CONFIG with the proxy's words.
    """
    refusal = _refusal(files, edge, image)
    if refusal is None:
        return
    if _refusal({}, edge, image) == refusal:
        raise ReleaseError(
            "PROXY_CONFIG",
            f"{refusal}. The proxy refuses what is on this host already, whatever this app's site is; nothing was written",
            f"look at {edge}/{CADDYFILE} and {edge}/sites, and run playbooks/provision.yml for the app whose site the message names",
        )
    raise ReleaseError(
        "PROXY_CONFIG",
        f"{refusal}. The proxy refuses the configuration made of these values; the one on this host is unchanged",
        "change the edge_proxy_* variable that the message is about, then run this again; for a certificate these are "
        "edge_proxy_tls_certificate and edge_proxy_tls_key (PEM, the chain's own certificate first)",
    )


def _refusal(files: Dict[Path, str], edge: Path, image: str) -> Optional[str]:
    """Return the proxy's words on why it would not start with a copy of its directory that has these files; None when it would."""
    with tempfile.TemporaryDirectory(prefix="fairlead-edge-", dir=TEMPORARY) as temporary:
        copy = Path(temporary) / "edge"
        shutil.copytree(str(edge), str(copy))
        for path, content in files.items():
            write_atomically(copy / path.relative_to(edge), content, MODE)
        done = command.run(_command_line(copy, image), VALIDATE_SECONDS)
    if done.code == 0:
        return None
    lines = [line for line in done.err.splitlines() if line.startswith("Error: ")] or done.err.splitlines() or ["no output"]
    return lines[-1]


def _command_line(directory: Path, image: str) -> List[str]:
    limits = ["--network=none", "--cap-drop=ALL", "--cap-add=NET_BIND_SERVICE", "--security-opt=no-new-privileges"]
    mounts = ["--tmpfs=/data", "--tmpfs=/config", f"--volume={directory}:/etc/caddy:ro"]
    program = ["validate", f"--config=/etc/caddy/{CADDYFILE}", "--adapter=caddyfile"]
    return ["docker", "run", "--rm", "--pull=never", *limits, *mounts, "--entrypoint=caddy", image, *program]


def write(files: Dict[Path, str], owner: int) -> None:
    """Write the files, each by one rename, for the proxy's user alone.

    Raises:
        ReleaseError: STATE_WRITE.
    """
    for path, content in files.items():
        if read(path) != content:
            write_atomically(path, content, MODE, owner=owner)


def restart_if_failing() -> None:
    """Have a proxy that ended with an error, over and over, read what was written at once; one that runs is reloaded instead."""
    if _edge.is_failing():
        for container in docker.project_containers(_edge.PROJECT):
            command.run(["docker", "restart", container["Id"]])
