# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The edge as a release sees it: its public listener, its certificate, its count of answers.  Private to this collection."""

from __future__ import annotations

import re
import ssl
import time
from pathlib import Path
from typing import Any, Dict, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils import _docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._limits import Responses, certificate_warning
from ansible_collections.fairlead.fastapi.plugins.module_utils._probe import Listener, unverified_context, verified_context

PROJECT = "edge"
METRICS = Path("/var/lib/fairlead-edge/metrics/metrics.sock")
METRICS_BYTES = 4 * 1024 * 1024
SECONDS = 3.0
# One line for each method, status and handler; only the handler that all of a site lies in counts every request exactly once.
_SERIES = re.compile(r"^caddy_http_request_duration_seconds_count\{(?P<labels>[^}]*)\} (?P<count>[0-9.e+]+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
HANDLER = "subroute"


def listener(settings: Dict[str, Any], tls: Optional[ssl.SSLContext] = None) -> Listener:
    """Return the public listener; by default whatever its certificate."""
    return Listener(
        address=settings["public_address"], port=int(settings["public_port"]), domain=settings["domain"], tls=tls or unverified_context()
    )


def state() -> str:
    """Say how the proxy's container is, for a message."""
    containers = _docker.project_containers(PROJECT)
    if not containers:
        return "there is no container of it"
    return "; ".join(f"{c['Name'].lstrip('/')} is {c['State']['Status']} (exit code {c['State']['ExitCode']})" for c in containers)


def pid() -> int:
    """Return the process id of the proxy on this host; 0 when it does not run here."""
    return next((int(c["State"].get("Pid", 0)) for c in _docker.project_containers(PROJECT) if c["State"]["Running"]), 0)


def certificate_problem(settings: Dict[str, Any]) -> Optional[str]:
    """Say what is wrong, or will soon be, with the certificate that users see; None when nothing is."""
    context = verified_context(Path(settings["public_authority"]))
    try:
        certificate = listener(settings, context).certificate(SECONDS)
    except ssl.SSLCertVerificationError as error:
        return f"CERT_EXPIRY: the certificate of {settings['domain']} is not valid: {error.verify_message}"
    except OSError:
        return None  # the listener itself is looked at elsewhere
    begins, ends = (ssl.cert_time_to_seconds(certificate[key]) for key in ("notBefore", "notAfter"))
    problem = certificate_warning(begins, ends, time.time())
    return problem and f"CERT_EXPIRY: the certificate of {settings['domain']} {problem}; see the proxy's log: docker logs edge-caddy-1"


def responses() -> Optional[Responses]:
    """Return how many requests the edge has answered so far, for all apps of this host, or None when it does not tell."""
    answer = Listener(socket_path=METRICS).get("/metrics", SECONDS, body_bytes=METRICS_BYTES)
    return counted(answer.body) if answer.status == 200 else None


def counted(text: str) -> Responses:
    """Count the answers in what Caddy tells in Prometheus' text format."""
    total, errors = 0.0, 0.0
    for line in _SERIES.finditer(text):
        labels = dict(_LABEL.findall(line["labels"]))
        if labels.get("handler") == HANDLER:
            total += float(line["count"])
            errors += float(line["count"]) if labels.get("code", "").startswith("5") else 0.0
    return Responses(int(total), int(errors))
