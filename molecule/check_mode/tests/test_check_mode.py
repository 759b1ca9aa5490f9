"""`--check` changes nothing, whatever the image does: v1 is live, and releases that do all kinds of things are planned.

The last test deploys one of them: what makes an image hard to ask does not keep it from being migrated.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import pytest

from lab.play import Play
from lab.releases import RELEASES
from lab.story import THOROUGH, App

BLOCKED = "ALTER TABLE items DROP COLUMN note"
SAME = "the old release; nothing is changed"
FOREIGN = {
    "app_image": "registry.lab:5000/foreign/api",
    "app_release_secrets_as": "environment",
    "app_secrets": {"DATABASE_URL": "postgresql://story:{{ vault_database_password }}@postgres:5432/story"},
    "app_release_migrate_secrets": {"DATABASE_URL": "postgresql://story_migrator:{{ vault_migrator_password }}@postgres:5432/story"},
    "app_release_migrate_command": ["sh", "scripts/prestart.sh"],
}


@dataclass(frozen=True)
class Case:
    """A release that is planned: with which variables, and what the run ends with and says."""

    tag: str
    code: str = ""
    says: tuple[str, ...] = ()
    variables: dict[str, Any] = field(default_factory=dict)

    def planned(self, app: App) -> Play:
        play = app.deploy(self.tag, "--check", "--diff", **self.variables)
        return play.failed_with(self.code) if self.code else play.succeeded()


CASES = [
    pytest.param(
        Case("entry_migrates", "CONTRACT_BLOCKED", (BLOCKED, "1 of 4 pending")),
        id="an entrypoint that migrates",
        marks=pytest.mark.fault(
            row=70, fault="an image whose entrypoint migrates, in check mode", code="CONTRACT_BLOCKED", serves=SAME, says="the statements"
        ),
    ),
    pytest.param(
        Case("entry_waits", "CONTRACT_BLOCKED", (BLOCKED, "class: expand")),
        id="an entrypoint that waits for the database",
        marks=pytest.mark.fault(
            row=71,
            fault="an entrypoint that waits, env.py that needs settings",
            code="CONTRACT_BLOCKED",
            serves=SAME,
            says="the statements",
        ),
    ),
    pytest.param(Case("entry_server", "CONTRACT_BLOCKED", (BLOCKED,)), id="an entrypoint that is a server"),
    pytest.param(
        Case(
            "v2", "CONFIG", ("set app_release_migrate_version_table: alembic_version",), {"app_release_migrate_version_table": "versions"}
        ),
        id="another version table",
        marks=pytest.mark.fault(
            row=72, fault="migrations keep their revision in another table", code="CONFIG", serves=SAME, says="the variable and its value"
        ),
    ),
    pytest.param(
        Case("1", "", ("PLAN_UNKNOWN", "app_release_migrate_after_command"), FOREIGN),
        id="a script",
        marks=pytest.mark.fault(
            row=73,
            fault="a migration script that nobody can look into",
            code="PLAN_UNKNOWN",
            serves=SAME,
            says="which command to name instead",
        ),
    ),
    pytest.param(
        Case(
            "1",
            "",
            ("PLAN_UNKNOWN", "is run only by a deploy"),
            {**FOREIGN, "app_release_migrate_pending_command": ["python3", "migrate.py"]},
        ),
        id="a command for what is pending",
    ),
]
TAGS = [release.tag for release in RELEASES if release.service == "shop" and not release.platform]
OTHERS = TAGS if THOROUGH else TAGS[:1]


def everything(app: App) -> dict[str, str]:
    """What a run could change: the server's databases, files with their rights, and what the engine has."""
    dump = app.on_host("docker", "exec", f"{app.name}-data-postgres-1", "pg_dumpall", "--username", "postgres")
    content = "\n".join(line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))
    places = ("find", "/etc", "/opt", "/usr/local", "/var/lib/fairlead")
    return {
        "databases": hashlib.sha256(content.encode()).hexdigest(),
        "revision": app.revision,
        "rights": app.on_host(*places, "-printf", "%M %u:%g %l %p\n"),
        "files": app.on_host(*places, "-type", "f", "-exec", "sha256sum", "{}", "+"),
        "containers": app.on_host("docker", "ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}}"),
        "started": str(app.running()),
        # Those of one second come in any order.
        "images": "\n".join(sorted(app.on_host("docker", "images", "--no-trunc", "--quiet").split())),
        "networks": app.on_host("docker", "network", "ls", "--no-trunc", "--format", "{{.ID}} {{.Name}}"),
        "volumes": app.on_host("docker", "volume", "ls", "--format", "{{.Name}}"),
    }


@pytest.fixture(scope="module")
def before(app: App) -> dict[str, str]:
    """How all was before the first check."""
    return everything(app)


@pytest.mark.parametrize("case", CASES)
def test_a_check_changes_nothing(app: App, before: dict[str, str], case: Case) -> None:
    play = case.planned(app)
    said = play.unfolded
    for words in case.says:
        assert words in said, f"{words} is not in\n{play.output}"
    assert "INFO [alembic" not in said, "a logger's line is no SQL"
    assert everything(app) == before


@pytest.mark.parametrize("tag", OTHERS)
def test_a_check_of_any_other_release_changes_nothing(app: App, before: dict[str, str], tag: str) -> None:
    app.deploy(tag, "--check", "--diff")
    assert everything(app) == before


def test_what_is_hard_to_ask_is_migrated_all_the_same(app: App, before: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{len(CASES) + len(OTHERS)} releases were planned in check mode, and nothing had changed")
    around = {
        "app_release_migrate_before_command": ["alembic", "current"],
        "app_release_migrate_after_command": ["python", "-c", "import os; print('seeded', os.environ['RELEASE'])"],
    }
    started = {"app_release_entrypoint": ["gunicorn"], "app_release_command": ["--config", "gunicorn.conf.py"]}
    app.deploy("entry_waits", allow_contract=True, **started, **around).succeeded()
    assert (before["revision"], app.revision) == ("0001", "0005")
    assert "gunicorn" in {container["Path"] for container in app.containers() if container["State"]["Running"]}
    play = app.deploy("entry_server", "-v", **around).succeeded()
    assert f"seeded {app.live}" in play.unfolded, "also when nothing is pending, and not as an argument of the server"
    app.assert_tidy()
