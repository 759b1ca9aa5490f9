# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The proxy as a release sees it: its public listener, its certificate, its log of answers."""

from __future__ import annotations

import json
import os
import ssl
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, Dict, Iterable, List, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.limits import Responses, certificate_warning
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import (
    Listener,
    unverified_context,
    verdict,
    verified_context,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared import domains

PROJECT = "edge"
# One line of JSON with a status for each answer of an app's site; the proxy moves a full file aside and begins another.
ANSWERS = Path("/var/lib/fairlead-edge/answers")
# Where the proxy's container has the apps' routes and sockets.
APPS = "/var/lib/fairlead"
PROC = Path("/proc")
# Some 10,000 answers: enough to know the share of errors before a switch.
RECENT_BYTES = 1024 * 1024
SECONDS = 3.0
# A proxy that was started again after an error and runs for so long goes on running: its configuration is read in far less.
SETTLED_SECONDS = 3.0
LOOK_SECONDS = 0.1


def listener(settings: Settings, name: str, tls: Optional[ssl.SSLContext] = None) -> Listener:
    """Return the public listener as clients of one host name see it; by default whatever its certificate."""
    return Listener(address=settings["public_address"], port=int(settings["public_port"]), domain=name, tls=tls or unverified_context())


def unreached(settings: Settings, names: Iterable[str], release: str, seconds: float = SECONDS) -> List[str]:
    """Ask at each name as users do, and say what is answered where it is not the release.

    Args:
        settings: the release's.
        names: host names; see `site.hosts`.
        release: its id.
        seconds: limit for connecting and for each read.
    """
    path, context, found = settings["ready_path"], unverified_context(), []
    for name in names:
        problem = verdict(listener(settings, name, context).get(path, seconds), settings["identity"], release)
        if problem:
            found.append(f"https://{name}{path}: {problem}")
    return found


def state() -> str:
    """Say how the proxy's container is, for a message."""
    containers = docker.project_containers(PROJECT)
    if not containers:
        return "there is no container of it"
    return "; ".join(f"{c['Name'].lstrip('/')} is {c['State']['Status']} (exit code {c['State']['ExitCode']})" for c in containers)


def is_failing() -> bool:
    """Tell whether the proxy's container ends with an error again and again.

    Between two ends it runs for a moment, so one that was just started again is watched until it has settled.
    """
    while True:
        containers = docker.project_containers(PROJECT)
        if any(container["State"].get("Restarting") for container in containers):
            return True
        if not any(_was_just_restarted(container) for container in containers):
            return False
        time.sleep(LOOK_SECONDS)


def _was_just_restarted(container: Dict[str, Any]) -> bool:
    """Tell whether the engine started this container again, after it had ended, within the last seconds."""
    if not container.get("RestartCount"):
        return False
    started = datetime.strptime(container["State"]["StartedAt"][:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return 0 <= time.time() - started.timestamp() < SETTLED_SECONDS


def pid() -> int:
    """Return the process id of the proxy on this host; 0 when it does not run here."""
    return next((int(c["State"].get("Pid", 0)) for c in docker.project_containers(PROJECT) if c["State"]["Running"]), 0)


def links_problem() -> Optional[str]:
    """Say that an app could lead the proxy to another socket by a symbolic link; None when the kernel refuses, or no proxy runs here."""
    process = pid()
    try:
        mounts = [line.split() for line in (PROC / str(process) / "mountinfo").read_text(encoding="ascii", errors="replace").splitlines()]
    except OSError:
        return None
    flags = {mount[4]: mount[5].split(",") for mount in mounts}
    if "nosymfollow" in flags.get(APPS, []):
        return None
    return "LINKS_FOLLOWED: the proxy follows symbolic links, so one app could lead it to another's socket; run playbooks/provision.yml"


def certificate_problem(settings: Settings) -> Optional[str]:
    """Say what is wrong, or will soon be, with the certificate that users see; None when nothing is."""
    context = verified_context(Path(settings["public_authority"]))
    # Any host name will do for a wildcard: its certificate is the same for all.
    names = [domain["name"].replace("*", "any", 1) for domain in domains.of_settings(settings)]
    problems = [
        f"the certificate of {name} {problem}" for name in names for problem in [_shown(listener(settings, name, context))] if problem
    ]
    return f"CERT_EXPIRY: {'; '.join(problems)}; see the proxy's log: docker logs edge-caddy-1" if problems else None


def _shown(public: Listener) -> Optional[str]:
    """Say what is wrong with the certificate that a listener shows."""
    try:
        certificate = public.certificate(SECONDS)
    except ssl.SSLCertVerificationError as error:
        return f"is not valid: {error.verify_message}"
    except OSError:
        return None  # the listener itself is looked at elsewhere
    begins, ends = (ssl.cert_time_to_seconds(certificate[key]) for key in ("notBefore", "notAfter"))
    return certificate_warning(begins, ends, time.time())


class Answers:
    """How the proxy answered the requests to one app, read on from where reading ended.

    Args:
        app: the app's name.
        folder: where the proxy writes.
    """

    def __init__(self, app: str, folder: Path = ANSWERS) -> None:
        self._path = folder / f"{app}.log"
        self._file: Optional[IO[bytes]] = None
        self._rest = b""

    def recent(self, since: float = 0.0) -> Optional[Responses]:
        """Count the last answers, and read on from here; None when the proxy does not tell.

        Args:
            since: leave out what was answered before; in seconds since 1970.
        """
        self._file, self._rest = self._opened(), b""
        if self._file is None:
            return None
        self._file.seek(max(0, os.fstat(self._file.fileno()).st_size - RECENT_BYTES))
        return counted(self._read(), since)

    def new(self) -> Responses:
        """Return what was answered since the last look."""
        if self._file is None:
            return Responses(0, 0)
        told = self._read()
        current = self._opened()
        if current is None or os.path.sameopenfile(self._file.fileno(), current.fileno()):
            return counted(told)
        told += self._read()  # what was written between the first look and the change of files
        self._file.close()
        self._file, self._rest = current, b""
        return counted(told + self._read())

    def _opened(self) -> Optional[IO[bytes]]:
        try:
            return os.fdopen(os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
        except OSError:
            return None

    def _read(self) -> List[bytes]:
        """Return the complete lines that are new in the file; what is left of one is kept for the next look."""
        data = self._rest + (self._file.read() if self._file else b"")
        *lines, self._rest = data.split(b"\n")
        return lines


def counted(lines: Iterable[bytes], since: float = 0.0) -> Responses:
    """Count the app's answers in lines of the proxy's log: not the proxy's own pages, nor a line that was begun before the reader came in.

    Args:
        lines: of the log.
        since: leave out what was answered before; in seconds since 1970.
    """
    statuses = []
    for line in lines:
        try:
            answer = json.loads(line)
            if "page" not in answer and (not since or float(answer["ts"]) >= since):
                statuses.append(int(answer["status"]))
        except (ValueError, KeyError, TypeError):
            continue
    return Responses(len(statuses), sum(1 for status in statuses if status >= 500))
