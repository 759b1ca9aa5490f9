"""Mistakes an operator makes, and the messages that help."""

from pathlib import Path

import pytest

from lab import paths
from lab.story import App, Play, play

BARE = paths.STATE / "inventory_vps2"

TAGS = ["latest", "stable", "main", "v1;touch x", "$(id)", "-x", "a b", "x" * 300, "{{ lookup('pipe', 'touch /tmp/fairlead-pwned') }}", ""]


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_that_is_not_fit_is_refused(app: App, tag: str) -> None:
    refused(app, app.deploy(tag), "image_tag", "-e image_tag=<tag>")
    assert not Path("/tmp/fairlead-pwned").exists()


def test_no_tag_at_all(app: App) -> None:
    refused(app, app.play("deploy"), "image_tag is not set", "-e image_tag=<tag>")


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


def test_an_unknown_tag(app: App) -> None:
    before = app.running()
    app.deploy("no-such-tag").failed_with("IMAGE_NOT_FOUND")
    assert app.running() == before
    app.assert_tidy()


def test_a_wrong_registry_password(app: App) -> None:
    output = app.deploy("v2", app_registry_password="certainly-wrong").failed_with("REGISTRY_AUTH").output
    assert "app_registry_password" in output and "certainly-wrong" not in output.partition("PLAY [")[2]
    app.assert_tidy()


def test_a_wrong_vault_password(app: App, tmp_path: Path) -> None:
    wrong = tmp_path / "password"
    wrong.write_text("not the password")
    before = app.fingerprint()
    result = play("deploy", "-e", "image_tag=v1", vault_password=wrong)
    assert result.code != 0 and "vault" in result.output.lower()
    assert app.fingerprint() == before


def test_a_host_without_docker() -> None:
    result = play("deploy", "-e", "image_tag=v1", inventory=BARE).failed_with("PREFLIGHT")
    for text in ("COMMAND_MISSING: docker is not installed", "NOT_PROVISIONED", "playbooks/provision.yml"):
        assert text in result.output


def test_a_deploy_before_provisioning(app: App) -> None:
    output = App("nobody-knows-me").deploy("v1").failed_with("PREFLIGHT").output
    assert "NOT_PROVISIONED" in output and "NETWORK_MISSING" in output and "playbooks/provision.yml" in output


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
