"""What an app writes to its volume stays, whatever becomes of releases, containers and the volume itself."""

from pathlib import Path

import pytest
import yaml

from lab.story import App

VARIABLES = yaml.safe_load((Path(__file__).parents[1] / "vars" / "main.yml").read_text())
VOLUME = "volumes-data"


@pytest.fixture(scope="session")
def app() -> App:
    """The app with its volume."""
    return App("volumes", variables=VARIABLES)


def write(app: App, name: str, text: str) -> None:
    assert app.request("PUT", f"/files/{name}", text)[0] == 204


def read(app: App, name: str) -> str | None:
    status, _, body = app.get(f"/files/{name}")
    return body if status == 200 else None


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
    said = " ".join(refused.output.split())
    assert "app_volumes: [{name: data, path: /data, backup: true}]" in said
    assert "app_release_tmpfs: [/tmp, /data]" in said
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
    owner = app.on_host("stat", "--format", "%u:%g %a", f"/var/lib/docker/volumes/{VOLUME}/_data").split()
    assert owner == ["10001:20001", "700"]


def test_a_path_in_memory_is_mapped_as_well(app: App) -> None:
    app.deploy("files_next", app_volumes=[], app_release_tmpfs=["/tmp", "/data"]).succeeded()
    (container,) = (c for c in app.containers() if c["State"]["Running"])
    assert [mount["Type"] for mount in container["Mounts"] if mount["Destination"] == "/data"] in ([], ["tmpfs"])
    app.rollback().succeeded()
    assert read(app, "kept") == "by the first release"
