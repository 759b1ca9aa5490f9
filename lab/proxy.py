"""The proxy of a lab host, as users and its own log show it."""

import json
import socket
import ssl
import time
from collections.abc import Callable

from lab.story import App

CONTAINER = "edge-caddy-1"


def answers_file(app: App) -> str:
    """Return where the proxy logs the answers of an app, for deploys to count."""
    return f"/var/lib/fairlead-edge/answers/{app.name}.log"


def answers(app: App, status: int, page: bool = False) -> int:
    """Return how many requests the app, or a page of the proxy's own, has answered so, as the log for deploys tells."""
    logged = map(json.loads, app.on_host("cat", answers_file(app)).splitlines())
    return sum(1 for answer in logged if (answer["status"], "page" in answer) == (status, page))


def presented(app: App) -> str:
    """Return the certificate that users are shown, trusted or not, as PEM."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((str(app.host.address), 443), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname=app.domain) as shown,
    ):
        return ssl.DER_cert_to_PEM_cert(shown.getpeercert(binary_form=True) or b"")


def eventually(condition: Callable[[], bool], within_seconds: float = 30) -> None:
    """Wait until something is so; meanwhile it may also fail to be asked."""
    deadline = time.monotonic() + within_seconds
    while True:
        try:
            if condition():
                return
        except (OSError, KeyError):
            pass  # nobody listens yet, or the proxy answers for an app that is not there yet
        assert time.monotonic() < deadline, f"not within {within_seconds:g} s"
        time.sleep(0.1)
