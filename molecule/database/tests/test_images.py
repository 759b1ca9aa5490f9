"""Other images in place of postgres:17, and none at all: the owner of files comes from the image, and an app needs no data services."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from lab import inventory, paths
from lab.play import Play
from lab.story import DATA_ONLY, THOROUGH, App

ALPINE, VECTOR = "postgres:17-alpine", "pgvector/pgvector:pg17"
# An app that is asked for nothing that needs a database.
WITHOUT = {
    "data_services_postgres": False,
    "data_services_redis": False,
    "app_release_migrate": False,
    "app_image": "registry.lab:5000/foreign/api",
    "app_listen": "tcp",
    "app_port": 8080,
    "app_release_user": "65534:65534",
    "app_release_command": ["python3", "server.py"],
    "app_release_docs_path": "",
    "app_release_live_path": "/livez",
    "app_release_ready_path": "/livez",
    "app_release_identity": "header:X-App-Release",
    "app_env": {"DATABASE_URL": "none"},  # asked for at the start, used for notes only
    "app_secrets": {},
    "app_volumes": [{"name": "notes", "path": "/notes", "backup": True}],
    "app_release_migrate_env": {},
    "app_release_migrate_secrets": {},
}


def on(image: str) -> App:
    """The app whose database runs in this image."""
    name = "alpine" if image == ALPINE else "vector"
    return App(name, variables={"data_services_postgres_image": image})


# The other one is made from the usual image: its story is told when all are wanted.
@pytest.mark.parametrize(("image", "owner"), [(ALPINE, "70:70"), (VECTOR, "999:999")] if THOROUGH else [(ALPINE, "70:70")])
def test_an_image_is_provisioned_deployed_backed_up_and_restored(image: str, owner: str) -> None:
    app = on(image)
    app.play("provision").succeeded()
    if image == VECTOR:
        # Only a superuser may create it: what an administrator does once.
        app.sql("CREATE EXTENSION vector")
    app.deploy("v1").succeeded()
    container = f"{app.name}-data-postgres-1"
    assert app.on_host("docker", "inspect", "--format", "{{.Config.User}}", container).strip() == owner
    app.sql("INSERT INTO items (name, reference) SELECT 'item ' || n, 'r' || n FROM generate_series(1, 40) n")
    app.play("backup").succeeded()
    app.sql("DELETE FROM items")
    app.play("restore", confirm=app.name).succeeded()
    assert app.sql("SELECT count(*) FROM items") == "40"


def test_data_is_not_given_to_a_server_that_sorts_otherwise() -> None:
    app = on(ALPINE)
    app.on_host("docker", "pull", "--quiet", "postgres:17")
    before = app.fingerprint()
    play = app.play("provision", *DATA_ONLY, data_services_postgres_image="postgres:17").failed_with("CONFIG")
    assert "belongs to user 70:70" in play.unfolded
    assert app.fingerprint() == before


def test_an_app_without_data_services_is_an_app() -> None:
    app = App("without", variables=WITHOUT)
    app.play("site", image_tag="1").succeeded()
    assert app.get("/livez")[0] == 200
    assert app.on_host("docker", "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={app.name}-data") == ""


def test_the_volumes_of_an_app_without_a_database_are_backed_up_proved_and_restored() -> None:
    app = App("without", variables=WITHOUT)
    in_container = ("docker", "exec", f"without-{app.live}-api-1", "sh", "-c")
    app.on_host(*in_container, "echo kept >/notes/note")
    app.on_host("systemctl", "start", "fairlead-backup-without.service")
    app.on_host(*in_container, "echo later >/notes/note")
    proved = app.play("restore_drill").succeeded().unfolded
    assert "the app has no database; extracted and compared: notes (" in proved
    app.play("restore", confirm=app.name, into="beside").failed_with("CONFIG")
    restored = app.play("restore", confirm=app.name).succeeded()
    assert app.on_host(*in_container, "cat /notes/note") == "kept\n"
    assert "What was replaced is the backup" in restored.unfolded
    assert app.get("/livez")[0] == 200


def test_an_inventory_without_data_hosts_is_an_inventory(tmp_path: Path) -> None:
    app = App("without", variables=WITHOUT)
    assert provisioned(app, tmp_path).changed == 0


def provisioned(app: App, folder: Path) -> Play:
    """Provision by an inventory whose group data_hosts is empty."""
    (folder / "group_vars").symlink_to(inventory.folder_of(app.host.name) / "group_vars")
    hosts = yaml.safe_load((inventory.folder_of(app.host.name) / "hosts.yml").read_text())
    hosts["all"]["children"]["data_hosts"] = {"hosts": {}}
    (folder / "hosts.yml").write_text(json.dumps(hosts))
    command, environment = app.invocation("provision")
    command[command.index("-i") + 1] = str(folder)
    done = subprocess.run(command, cwd=paths.REPOSITORY, env=environment, capture_output=True, text=True, timeout=900, check=False)
    return Play(done.returncode, done.stdout + done.stderr).succeeded()
