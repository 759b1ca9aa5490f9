"""What an app writes to its volume stays, whatever becomes of releases, containers and the volume itself."""

import json
import re
from pathlib import Path

import pytest
import yaml

from lab.story import App

VARIABLES = yaml.safe_load((Path(__file__).parents[1] / "vars" / "main.yml").read_text())
RETRY_SECONDS = VARIABLES["edge_proxy_retry_seconds"]
VOLUME = "volumes-data"
FILES = f"/var/lib/docker/volumes/{VOLUME}/_data"


@pytest.fixture(scope="session")
def app() -> App:
    """The app with its volume."""
    return App("volumes", variables=VARIABLES)


def write(app: App, name: str, text: str) -> None:
    assert app.request("PUT", f"/files/{name}", text)[0] == 204


def read(app: App, name: str) -> str | None:
    status, _, body = app.get(f"/files/{name}")
    return body if status == 200 else None


def owner(app: App) -> list[str]:
    return app.on_host("stat", "--format", "%u:%g %a", FILES).split()


@pytest.mark.fault(
    row=110,
    fault="the image declares a VOLUME that nothing is mounted at",
    code="VOLUME_UNMAPPED",
    serves="the old release",
    says="the line of app_volumes to write",
)
@pytest.mark.parametrize("arguments", [["--check"], []])
def test_an_image_that_would_lose_what_it_writes_is_refused(app: App, arguments: list[str]) -> None:
    before, running = app.fingerprint(), app.running()
    refused = app.deploy("files_next", *arguments, app_volumes=[]).failed_with("VOLUME_UNMAPPED")
    assert "app_volumes: [{name: data, path: /data, backup: true}]" in refused.unfolded
    assert "app_release_tmpfs: [/tmp, /data]" in refused.unfolded
    assert app.running() == running
    if arguments:
        assert app.fingerprint() == before


def test_a_file_survives_deploys_rollbacks_and_pruning(app: App) -> None:
    write(app, "kept", "by the first release")
    app.deploy("files_next").succeeded()
    assert read(app, "kept") == "by the first release"
    write(app, "new", "by the second")
    app.rollback().succeeded()
    assert (read(app, "kept"), read(app, "new")) == ("by the first release", "by the second")
    app.on_host("docker", "system", "prune", "--all", "--volumes", "--force")
    assert (read(app, "kept"), read(app, "new")) == ("by the first release", "by the second")
    assert owner(app) == ["10001:20001", "700"]


def test_docker_makes_no_anonymous_volume_where_a_path_is_in_memory(app: App) -> None:
    (running,) = (c for c in app.containers() if c["State"]["Running"])
    made = app.on_host("docker", "create", "--tmpfs", "/data", running["Image"]).strip()
    (found,) = json.loads(app.on_host("docker", "inspect", made))
    app.on_host("docker", "rm", made)
    assert found["Mounts"] == []


@pytest.mark.fault(
    row=111,
    fault="a volume is lost, with all that was in it",
    code="VOLUME_MISSING",
    serves="nothing, until the restore",
    says="the volume, and that restore.yml brings it back",
)
def test_a_lost_volume_comes_back(app: App) -> None:
    write(app, "kept", "in the backup")
    app.on_host("ln", "--symbolic", "/etc/shadow", f"{FILES}/link")
    app.on_host("systemctl", "start", f"fairlead-backup-{app.name}.service")
    write(app, "kept", "written after it")
    proved = app.play("restore_drill").succeeded()
    assert "extracted and compared as well: data (" in proved.unfolded
    for container in app.containers():
        app.on_host("docker", "rm", "--force", container["Id"])
    app.on_host("docker", "volume", "rm", VOLUME)
    missed = app.play("status", status_strict=True).failed_with("DRIFT")
    assert f"the volume {VOLUME}, which the app has at /data, is not on this host" in missed.unfolded
    app.play("restore", confirm=app.name).succeeded()
    assert read(app, "kept") == "in the backup"
    assert app.on_host("readlink", f"{FILES}/link").strip() == "/etc/shadow"
    assert owner(app) == ["10001:20001", "700"]
    app.assert_tidy()


def test_a_restore_keeps_what_it_replaces(app: App) -> None:
    write(app, "kept", "to be replaced")
    restored = app.play("restore", confirm=app.name).succeeded()
    assert read(app, "kept") == "in the backup"
    (aside,) = app.on_host("find", f"{FILES}/..", "-maxdepth", "1", "-name", "fairlead-*").split()
    assert app.on_host("cat", f"{aside}/kept") == "to be replaced"
    assert "until the next restore its old files are in" in restored.unfolded


ALONE = {"app_volumes": [{**VARIABLES["app_volumes"][0], "exclusive": True}]}


def starts(app: App) -> list[str]:
    """The releases that had the SQLite database, which only one can have at a time."""
    found: list[str] = json.loads(app.get("/starts")[2])
    return found


def test_a_single_writer_is_handed_over_and_its_downtime_is_printed(app: App) -> None:
    alone = {**ALONE, "app_env": app.env(SINGLE_WRITER="1", WEB_CONCURRENCY="1")}
    app.deploy("files", **alone).succeeded()
    first = app.live
    assert starts(app) == [first]
    with app.load(20, profile="foreign", paths=["/health", "/starts"]) as load:
        play = app.deploy("files_next", **alone).succeeded()
    told = re.search(r"is live; nobody was served for ([0-9.]+) s, because a volume is exclusive", play.unfolded)
    assert told and 0 < float(told[1]) < RETRY_SECONDS, play.output
    assert starts(app) == [first, app.live]
    # The proxy held what came meanwhile.
    assert load.report.failed == 0, "\n".join(map(str, load.report.failures[:10]))


@pytest.mark.fault(
    row=112,
    fault="a release that takes over an exclusive volume is never ready",
    code="NOT_READY",
    serves="the old release, started again",
    says="for how long nobody was served",
)
def test_the_single_writer_comes_back_when_its_successor_fails(app: App) -> None:
    before = app.live
    refused = app.deploy("never_ready", **ALONE, app_release_ready_seconds=3).failed_with("NOT_READY")
    assert f"{before} had been stopped for it and was started again: nobody was served for" in refused.unfolded
    assert app.live == before and starts(app)[-2:] == [before, before]
    app.assert_tidy()
