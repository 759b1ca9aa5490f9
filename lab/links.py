"""An app that replaces its socket by a symbolic link, which whoever opens the socket would follow in a file system of its own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from lab.story import App

_PLANT = "import os, sys; os.rename('/run/fairlead/api.sock', '/run/fairlead/real.sock'); os.symlink(sys.argv[1], '/run/fairlead/api.sock')"
_REMOVE = "import os; os.replace('/run/fairlead/real.sock', '/run/fairlead/api.sock')"
# Where Caddy can be administered when it has a socket for that; any request there may change its configuration.
ADMINISTRATION = "/run/caddy/admin.sock"
PROXY = "edge-caddy-1"
RELOAD_SECONDS = 30.0


def reload_proxy(app: App) -> None:
    """Have the proxy of the app's host read its files anew; it forgets its connections to apps with that."""
    since = app.on_host("date", "+%s.%N").strip()
    # Not by `docker kill`, after which the engine would not start it again by itself.
    app.on_host("kill", "-USR1", app.on_host("docker", "inspect", "--format", "{{.State.Pid}}", PROXY).strip())
    deadline = time.monotonic() + RELOAD_SECONDS
    while "successfully reloaded" not in app.on_host("sh", "-c", f"docker logs --since {since} {PROXY} 2>&1"):
        assert time.monotonic() < deadline, "the proxy did not reload"


def own_socket(app: App) -> str:
    """Return where the proxy finds the live release's real socket while a link has its place: a link that could be followed."""
    return f"/var/lib/fairlead/{app.name}/{app.live}/real.sock"


@contextmanager
def planted(app: App, target: str) -> Iterator[None]:
    """Let the live release's container have a link to `target` in place of its socket, and the proxy open it anew."""
    container = f"{app.name}-{app.live}-api-1"

    def inside(program: str, *arguments: str) -> None:
        app.on_host("docker", "exec", container, "python3", "-c", program, *arguments)

    inside(_PLANT, target)
    try:
        reload_proxy(app)
        yield
    finally:
        inside(_REMOVE)
