"""A deploy puts the release that was asked for into service, and only when there is something to do."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.controller import deploying
from lab.removal import remove
from lab.story import App


@pytest.fixture(scope="module")
def provisioned() -> Iterator[App]:
    """An app whose host is ready and that was never deployed."""
    app = App("undeployed")
    app.play("provision").succeeded()
    yield app
    remove(app)


def test_the_release_serves_over_tls(app: App) -> None:
    status, headers, body = app.get("/ready")
    assert (status, headers["x-release"]) == (200, app.live), body
    assert '"version":"v1"' in body.replace(" ", "")
    app.assert_tidy()


def test_the_image_runs_by_digest(app: App) -> None:
    (container,) = app.containers()
    record = app.releases[app.live]
    assert container["Config"]["Image"] == f"{record['repository']}@{record['digest']}"
    assert record["revision"] == app.revision


def test_what_another_inventory_runs_is_deployed_by_its_digest(app: App, tmp_path: Path) -> None:
    """As from staging to production: by what `status` tells, whatever became of the tag meanwhile."""
    file = tmp_path / "status.json"
    assert app.play("status", status_json=str(file)).succeeded().changed == 0
    (told,) = json.loads(file.read_text()).values()
    digest = told["live"]["digest"]
    assert (told["live"]["id"], told["health"]) == (app.live, "ready")
    app.deploy("v2").succeeded()
    app.deploy("no-such-tag", image_digest=digest).succeeded()
    live = app.releases[app.live]
    assert (live["tag"], live["digest"]) == ("no-such-tag", digest)
    assert app.deploy("v1").succeeded().changed == 0, "the same image by its tag is another release"
    app.deploy("v1", image_digest="sha256:12").failed_with("CONFIG")
    app.assert_tidy()


def test_the_same_again_changes_nothing(app: App) -> None:
    before = app.running(), app.fingerprint()
    play = app.deploy("v1").succeeded()
    assert play.changed == 0, play.output
    assert (app.running(), app.fingerprint()) == before


def test_a_changed_setting_alone_is_a_new_release(app: App) -> None:
    live = app.live
    app.deploy("v1", app_release_memory="640m").succeeded()
    assert app.live != live
    assert app.releases[live]["digest"] == app.releases[app.live]["digest"]
    app.assert_tidy()


def test_steps_are_shown_while_they_pass(app: App) -> None:
    with deploying(app, "v3", app_release_bake_seconds=10) as controller:
        while not re.search(r"rollout .*ready [0-9.]+ s", controller.output()):
            assert controller.is_running(), f"it ended first\n{controller.output()}"
            time.sleep(0.1)
        assert app.journal["phase"] in ("READY", "SWITCHED"), controller.output()
        play = controller.wait()
    assert play.code == 0, play.output


@pytest.mark.fault(row=60, fault="`--check --diff` of a deploy", code="", serves="the old release", says="what would change")
def test_check_mode_of_a_second_deploy_reports_and_changes_nothing(app: App) -> None:
    before = app.fingerprint()
    play = app.deploy("v2", "--check", "--diff").succeeded()
    assert app.fingerprint() == before
    assert "+registry.lab:5000/shop/api:v2@sha256:" in play.unfolded.replace(" ", "")
    assert play.changed > 0


@pytest.mark.fault(row=60, fault="`--check --diff` of a first deploy", code="", serves="nothing, as before", says="what would be there")
def test_check_mode_of_a_first_deploy_reports_and_changes_nothing(provisioned: App) -> None:
    before = provisioned.fingerprint()
    play = provisioned.deploy("v1", "--check", "--diff").succeeded()
    assert provisioned.fingerprint() == before
    assert "+services:" in play.unfolded.replace(" ", "")
    assert "database_password: (set)" in play.unfolded


def test_smoke_and_status_report_what_is_there(app: App) -> None:
    app.play("smoke").succeeded()
    status = app.play("status").succeeded()
    assert f"{app.live} is live since" in status.unfolded
    assert app.releases[app.live]["digest"] in status.unfolded


def test_the_container_is_confined(app: App, server: Any) -> None:
    (container,) = (c for c in app.containers() if c["State"]["Running"])
    host = container["HostConfig"]
    assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["CapAdd"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0 and host["NanoCpus"] > 0 and host["PidsLimit"] > 0
    assert not host["PortBindings"] and not host["Privileged"]
    user = server.run(f"docker exec {container['Id']} id -u")
    assert user.stdout.strip() == "10001"
