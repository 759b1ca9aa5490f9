"""Backups of an app in the lab: made by the timer's unit, looked at on the host, and restored."""

import json
import time
from typing import Any

from lab.play import Play
from lab.story import App

READY_SECONDS = 60


def unit(app: App) -> str:
    return f"fairlead-backup-{app.name}.service"


def folder(app: App) -> str:
    return f"/opt/fairlead/{app.name}/backups"


def manifests(app: App) -> list[dict[str, Any]]:
    """What the backups on the host say of themselves, oldest first."""
    names = [name for name in app.on_host("ls", folder(app)).split() if name.endswith(".json") and name[0].isdigit()]
    return [json.loads(app.on_host("cat", f"{folder(app)}/{name}")) for name in names]


def set_up(app: App, **changes: Any) -> None:
    """Change what the timer's program was told, as provisioning with other variables would."""
    file = f"/opt/fairlead/{app.name}/backup.d/settings.json"
    told = {**json.loads(app.on_host("cat", file)), **changes}
    app.on_host("python3", "-c", "import sys; open(sys.argv[1], 'w').write(sys.argv[2])", file, json.dumps(told))


def scheduled(app: App) -> dict[str, Any]:
    """Start the unit as its timer does, and return what it printed."""
    app.host.run(["systemctl", "start", unit(app)])
    line = app.on_host("journalctl", "--unit", unit(app), "--output", "cat", "--lines", "20")
    told: dict[str, Any] = next(json.loads(text) for text in reversed(line.splitlines()) if text.startswith("{"))
    return told


def state(app: App) -> tuple[str, str]:
    """How the unit's last run ended: its state, and the program's exit code."""
    shown = app.on_host("systemctl", "show", "--property=ActiveState,ExecMainStatus", unit(app)).split()
    told = dict(line.split("=") for line in shown)
    return told["ActiveState"], told["ExecMainStatus"]


def databases(app: App) -> list[str]:
    return app.sql("SELECT datname FROM pg_database WHERE datname LIKE 'backup%' ORDER BY 1").split()


def add(app: App, name: str) -> None:
    """Have a row that is only about this."""
    app.sql(f"INSERT INTO items (name, reference) VALUES ('{name}', '{name}')")


def has(app: App, name: str, database: str | None = None) -> bool:
    command = ("psql", "--username", "postgres", "--dbname", database or app.name, "--no-align", "--tuples-only", "--command")
    answer = app.on_host(
        *("docker", "exec", f"{app.name}-data-postgres-1", *command, f"SELECT count(*) FROM items WHERE reference = '{name}'")
    )
    return answer.strip() == "1"


def is_maintained(app: App) -> bool:
    return app.get("/items?limit=1")[0] == 503


def await_database(app: App) -> None:
    """Wait until PostgreSQL answers after a start."""
    deadline = time.monotonic() + READY_SECONDS
    while app.host.run(["docker", "exec", f"{app.name}-data-postgres-1", "pg_isready", "--quiet"]).returncode:
        assert time.monotonic() < deadline, "PostgreSQL does not start"
        time.sleep(0.2)


def restore(app: App, **variables: Any) -> Play:
    return app.play("restore", **{"confirm": app.name, **variables})
