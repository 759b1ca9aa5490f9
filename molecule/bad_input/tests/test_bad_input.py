"""Mistakes an operator makes, and the messages that help."""

from pathlib import Path

import pytest

from lab.story import App, Play, play

BARE = "vps2"

MOVING = ["latest", "stable", "main", ""]
HOSTILE = ["v1;touch x", "$(id)", "-x", "a b", "x" * 300, "{{ lookup('pipe', 'touch /tmp/fairlead-pwned') }}"]


@pytest.mark.parametrize("tag", MOVING)
def test_a_tag_that_may_move_is_refused(app: App, tag: str) -> None:
    refused(app, app.deploy(tag), "image_tag", "-e image_tag=<tag>")


@pytest.mark.parametrize("tag", HOSTILE)
@pytest.mark.fault(row=45, fault="a tag made to be run as a command", code="CONFIG", serves="the old release", says="how to set the tag")
def test_a_hostile_tag_is_refused(app: App, tag: str) -> None:
    refused(app, app.deploy(tag), "image_tag", "-e image_tag=<tag>")
    assert not Path("/tmp/fairlead-pwned").exists()


def test_no_tag_at_all(app: App) -> None:
    refused(app, app.play("deploy"), "image_tag is not set", "-e image_tag=<tag>")


@pytest.mark.fault(
    row=44,
    fault="variables that are missing, misspelt, of the wrong type or unfit",
    code="CONFIG",
    serves="the old release",
    says="every problem at once, with where to set it",
)
def test_every_problem_is_told_at_once(app: App) -> None:
    bad = {
        "app_domain": "https://shop.lab",
        "app_image": "registry.lab:5000/shop/api:v1",
        "app_release_keep": "many",
        "app_release_redy_path": "/ready",
        "app_secrets": {"database_password": "{{ vault_no_such_variable }}"},
    }
    play = app.deploy("latest", **bad)
    hints = ["'latest'", "app_domain", "app_image", "app_release_keep", "did you mean app_release_ready_path"]
    hints += ["vault_no_such_variable", "group_vars"]
    refused(app, play, "6 to mend", *hints)


@pytest.mark.fault(row=1, fault="the tag does not exist", code="IMAGE_NOT_FOUND", serves="the old release", says="repository and tag")
def test_an_unknown_tag(app: App) -> None:
    before = app.running()
    play = app.deploy("no-such-tag").failed_with("IMAGE_NOT_FOUND")
    assert "registry.lab:5000/shop/api:no-such-tag" in play.output
    assert app.running() == before
    app.assert_tidy()


@pytest.mark.fault(
    row=4,
    fault="the registry refuses the password",
    code="REGISTRY_AUTH",
    serves="the old release",
    says="which variables hold user and password, not the password",
)
def test_a_wrong_registry_password(app: App) -> None:
    output = app.deploy("v2", app_registry_password="certainly-wrong").failed_with("REGISTRY_AUTH").output
    assert "app_registry_password" in output and "certainly-wrong" not in output.partition("PLAY [")[2]
    app.assert_tidy()


@pytest.mark.fault(
    row=43, fault="a wrong vault password", code="", serves="the old release; the host is not asked", says="that the vault cannot be read"
)
def test_a_wrong_vault_password(app: App, tmp_path: Path) -> None:
    wrong = tmp_path / "password"
    wrong.write_text("not the password")
    before = app.fingerprint()
    result = play("deploy", "-e", "image_tag=v1", vault_password=wrong)
    assert result.code != 0 and "vault" in result.output.lower()
    assert app.fingerprint() == before


def test_a_host_without_docker() -> None:
    result = play("deploy", "-e", "image_tag=v1", host=BARE).failed_with("PREFLIGHT")
    for text in ("COMMAND_MISSING: docker is not installed", "NOT_PROVISIONED", "playbooks/provision.yml"):
        assert text in result.output


def test_a_deploy_before_provisioning(app: App) -> None:
    output = App("nobody-knows-me").deploy("v1").failed_with("PREFLIGHT").output
    assert "NOT_PROVISIONED" in output and "NETWORK_MISSING" in output and "playbooks/provision.yml" in output


@pytest.mark.fault(row=53, fault="a rollback with no earlier release", code="NO_TARGET", serves="the live release", says="")
def test_a_rollback_with_no_earlier_release(app: App) -> None:
    app.rollback().failed_with("NO_TARGET")
    app.assert_tidy()


def refused(app: App, play: Play, *hints: str) -> None:
    """Check that a run was refused by the check of the input, with these hints, and that the app is as before."""
    play.failed_with("CONFIG")
    for hint in hints:
        assert hint in play.output, play.output
    assert play.changed == 0
    app.assert_tidy()
