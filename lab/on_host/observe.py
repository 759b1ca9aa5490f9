"""Prints as JSON what there is of an app on this host: route, records, lock, containers, files, database sessions.

Argument: the app's name. Reality only; what it means is judged by `lab.invariants`.
"""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SESSIONS = (
    "SELECT coalesce(json_agg(json_build_object('pid', pid, 'address', host(client_addr), 'state', state, 'query', query)), '[]') "
    "FROM pg_stat_activity WHERE client_addr IS NOT NULL AND pid <> pg_backend_pid()"
)


def text(path: Path) -> str | None:
    """Return a file's content, or None where there is no such file."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return None


def names(directory: Path) -> list[str]:
    """Return the names of what lies in a directory; nothing where there is none."""
    return sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []


def output(*command: str) -> str:
    """Run a command that must succeed."""
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def is_locked(directory: Path) -> bool:
    """Tell whether a process holds the lock of a running stage."""
    if not directory.is_dir():
        return False
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def containers(app: str) -> list[Any]:
    """Return `docker inspect` of the containers of all releases of the app, running or not."""
    found = output("docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label=fairlead.app={app}").split()
    return list(json.loads(output("docker", "inspect", *found))) if found else []


def sessions(app: str) -> list[Any]:
    """Return the sessions that clients have at the app's database; none where the database is not one of Fairlead's, or is down."""
    service = f"{app}-data-postgres-1"
    if not output("docker", "ps", "--quiet", "--filter", f"name=^{service}$").strip():
        return []
    ask = ("psql", "--username", "postgres", "--dbname", app, "--no-align", "--tuples-only", "--command", SESSIONS)
    return list(json.loads(output("docker", "exec", service, *ask)))


def temporary(*directories: Path) -> list[str]:
    """Return files and directories that are meant to exist for a moment only."""
    hidden = [str(path) for directory in directories for path in directory.rglob(".*") if path.name != ".env"]
    return sorted([*hidden, *map(str, Path("/run").glob("fairlead-registry-*"))])


def observe(app: str) -> dict[str, Any]:
    """Return everything by name."""
    home, run = Path("/opt/fairlead", app), Path("/var/lib/fairlead", app)
    return {
        "route": text(run / "route"),
        "journal": text(home / "journal.json"),
        "ledger": text(home / "ledger.json"),
        "locked": is_locked(home),
        "containers": containers(app),
        "bundles": {name: text(home / "releases" / name / "release.json") for name in names(home / "releases")},
        "sockets": [name for name in names(run) if (run / name).is_dir()],
        "temporary": temporary(home, run),
        "sessions": sessions(app),
    }


if __name__ == "__main__":
    print(json.dumps(observe(sys.argv[1])))
