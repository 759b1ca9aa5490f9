"""Mistakes an operator makes, and the messages that help."""

import json
import subprocess
from pathlib import Path

import pytest

from lab import paths
from lab.play import Play, invocation, play
from lab.story import App

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
def test_every_problem_is_reported_at_once(app: App) -> None:
    bad = {
        "app_domain": "https://shop.lab",
        "app_image": "registry.lab:5000/shop/api:v1",
        "app_release_keep": "many",
        "app_release_redy_path": "/ready",
        "app_secrets": {"database_password": "{{ vault_no_such_variable }}"},
    }
    play = app.deploy("latest", **bad)
    hints = ["'latest'", "app_domain", "app_image", "app_release_keep", "did you mean app_release_ready_path"]
    hints += ["vault_no_such_variable", "it is set with -e"]
    refused(app, play, "6 problems", *hints)


@pytest.mark.fault(row=1, fault="the tag does not exist", code="IMAGE_NOT_FOUND", serves="the old release", says="repository and tag")
def test_an_unknown_tag(app: App) -> None:
    before = app.running()
    play = app.deploy("no-such-tag").failed_with("IMAGE_NOT_FOUND")
    assert "registry.lab:5000/shop/api:no-such-tag" in play.unfolded
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
    result = play("deploy", "-e", "image_tag=v1", host=app.host.name, vault_password=wrong)
    assert result.code != 0 and "TASK [" not in result.output
    assert "Decryption failed (no vault secrets were found that could decrypt)" in result.unfolded
    assert app.fingerprint() == before


def test_a_host_without_docker(app: App) -> None:
    """Neither has the host the app, nor any the client of its engine, which serves on meanwhile."""
    app.on_host("mv", "/usr/bin/docker", "/usr/bin/docker.away")
    try:
        output = App("nobody-knows-me").deploy("v1").failed_with("PREFLIGHT").output
    finally:
        app.on_host("mv", "/usr/bin/docker.away", "/usr/bin/docker")
    for text in ("COMMAND_MISSING: docker is not installed", "NOT_PROVISIONED", "playbooks/provision.yml"):
        assert text in output


def test_a_deploy_before_provisioning(app: App) -> None:
    output = App("nobody-knows-me").deploy("v1").failed_with("PREFLIGHT").output
    assert "NOT_PROVISIONED" in output and "NETWORK_MISSING" in output and "playbooks/provision.yml" in output


@pytest.mark.fault(row=53, fault="a rollback with no earlier release", code="NO_TARGET", serves="the live release", says="")
def test_a_rollback_with_no_earlier_release(app: App) -> None:
    app.rollback().failed_with("NO_TARGET")
    app.assert_tidy()


@pytest.mark.parametrize(
    ("inventory", "said"),
    [
        ("inventories/typo", ["inventories/typo (which does not exist)", "Groups in it: none"]),
        (None, ["Groups in it: web_hosts (1 host)"]),
    ],
)
@pytest.mark.fault(
    row=130,
    fault="an inventory that does not exist, or has other groups",
    code="CONFIG",
    serves="the old release",
    says="which groups are needed, which inventory was read and what groups it has",
)
def test_an_inventory_without_the_hosts(tmp_path: Path, inventory: str | None, said: list[str]) -> None:
    other = tmp_path / "hosts.yml"
    other.write_text("all: {children: {web_hosts: {hosts: {web1: {}}}}}\n")
    words, environment = invocation("deploy", "-e", "image_tag=v2")
    words[words.index("-i") + 1] = inventory or str(other)
    done = subprocess.run(words, cwd=paths.REPOSITORY, env=environment, capture_output=True, text=True, timeout=60, check=False)
    result = Play(done.returncode, done.stdout + done.stderr).failed_with("CONFIG")
    for hint in ("no host in app_hosts", "list your hosts under app_hosts", *said):
        assert hint in result.unfolded


def test_a_limit_that_leaves_no_host(app: App) -> None:
    result = app.deploy("v2", "--limit", "localhost")
    assert result.code != 0 and "no hosts" in result.unfolded


@pytest.mark.fault(
    row=131,
    fault="a restore, rollback or deploy whose own option is misspelt",
    code="CONFIG",
    serves="the live release, its database untouched",
    says="the right spelling",
)
@pytest.mark.parametrize(
    ("playbook", "slip", "meant"),
    [("restore", "bakcup", "backup"), ("rollback", "relase", "release"), ("deploy", "alow_contract", "allow_contract")],
)
def test_a_misspelt_option_of_a_playbook(app: App, playbook: str, slip: str, meant: str) -> None:
    before = app.sql("SELECT count(*) FROM pg_database")
    more = {"confirm": app.name} if playbook == "restore" else {"image_tag": "v2"} if playbook == "deploy" else {}
    refused(app, app.play(playbook, **more, **{slip: "20260101T000000Z"}), f"{slip} is not an option; did you mean -e {meant}=")
    assert app.sql("SELECT count(*) FROM pg_database") == before


@pytest.mark.fault(
    row=132,
    fault="variables of any role that are misspelt, of the wrong unit or of the wrong type, at provisioning",
    code="CONFIG",
    serves="the live release; no package, file or container is changed",
    says="every problem at once, with the right spelling, the value to write, and file and line",
)
def test_provisioning_checks_all_roles_first(app: App) -> None:
    before = app.fingerprint()
    bad = {
        "edge_proxy_tls": "internl",
        "docker_engine_hodl": True,
        "db_backup_enabeld": False,
        "app_listn": "tcp",
        "app_release_memory": 512,
        "app_release_migrate_command": "alembic upgrade head",
        "data_services_postgres_migrator_settings": {"lock_timeout": 5},
    }
    hints = ["did you mean internal?", "docker_engine_hold?", "db_backup_enabled?", "app_listen?", "perhaps 512m", "lock_timeout is 5"]
    refused(app, app.play("provision", **bad), "7 problems", *hints, '["alembic", "upgrade", "head"]')
    assert app.fingerprint() == before


@pytest.mark.fault(
    row=133,
    fault="a time or a file mode in app_env that YAML reads as a number",
    code="CONFIG",
    serves="the old release",
    says="what was written, what YAML makes of it, and how to write it",
)
def test_a_text_that_is_a_number_to_yaml(app: App, tmp_path: Path) -> None:
    variables = tmp_path / "variables.yml"
    variables.write_text("app_env:\n  OPEN_AT: 22:30\n  UMASK: 0755\n")
    refused(app, app.deploy("v2", "-e", f"@{variables}"), "2 problems", 'YAML reads 22:30 as 1350: write "22:30"', 'write "0755"')


def test_a_list_in_the_environment_is_json(app: App) -> None:
    app.deploy("v1", app_env={**app.env(), "ORIGINS": ["https://a.example"], "LIMITS": {"a": 1}}).succeeded()
    (container,) = (found for found in app.containers() if found["State"]["Running"])
    environment = dict(entry.partition("=")[::2] for entry in container["Config"]["Env"])
    assert json.loads(environment["ORIGINS"]) == ["https://a.example"]
    assert json.loads(environment["LIMITS"]) == {"a": 1}


def refused(app: App, play: Play, *hints: str) -> None:
    """Check that a run was refused by the check of the input, with these hints, and that the app is as before."""
    play.failed_with("CONFIG")
    for hint in hints:
        assert hint in play.unfolded, play.output
    assert play.changed == 0
    app.assert_tidy()
