"""A rollback is one command, and goes where the operator expects."""

import pytest

from lab import hostile_database, paths
from lab.proxy import eventually
from lab.story import App, mixed_load_was_served

# For a release whose time of five seconds began a moment ago to end, on a busy machine.
WARM_SECONDS = 60.0


def test_there_and_back_under_load(app: App) -> None:
    first = app.live
    with app.load() as load:
        app.deploy("v2", app_release_memory="600m").succeeded()
        second = app.live
        app.rollback().succeeded()
    mixed_load_was_served(load)
    assert (app.live, second) == (first, f"r{int(first[1:]) + 1}")
    assert app.releases[second]["status"] == "kept"
    app.assert_tidy()


def test_a_release_that_is_warm_is_only_switched_to(app: App) -> None:
    before = app.live
    app.deploy("v3", app_release_warm_seconds=600).succeeded()
    running = app.running()
    assert sorted(running) == sorted(f"{app.name}-{release}-api-1" for release in (before, app.live))
    assert app.deploy("v3", app_release_warm_seconds=600).succeeded().changed == 0
    with app.load() as load:
        app.rollback().succeeded()
    mixed_load_was_served(load)
    name = f"{app.name}-{before}-api-1"
    assert (app.live, app.running()) == (before, {name: running[name]})
    app.assert_tidy()


def test_a_warm_release_ends_when_its_time_is_over(app: App) -> None:
    app.deploy("v3", app_release_warm_seconds=5).succeeded()
    assert len(app.running()) == 2
    eventually(lambda: len(app.running()) == 1, WARM_SECONDS)
    app.assert_tidy()
    app.rollback().succeeded()
    app.assert_tidy()


def test_configuration_goes_back_with_the_image(app: App) -> None:
    (container,) = (c for c in app.containers() if c["State"]["Running"])
    assert container["HostConfig"]["Memory"] == 512 * 1024 * 1024


@pytest.mark.fault(
    row=53, fault="a second rollback, with nothing earlier", code="NO_TARGET", serves="the live release", says="that this is the first"
)
def test_with_nothing_earlier_it_is_refused(app: App) -> None:
    before = app.fingerprint()
    play = app.rollback().failed_with("NO_TARGET")
    assert "first release" in play.unfolded
    assert app.fingerprint() == before
    app.assert_tidy()


def test_a_release_can_be_named(app: App) -> None:
    target = f"r{int(app.live[1:]) + 1}"
    app.rollback(release=target).succeeded()
    assert app.live == target
    app.assert_tidy()


def test_a_release_that_never_served_is_refused(app: App) -> None:
    app.rollback(release="r99").failed_with("NO_TARGET")
    app.assert_tidy()


@pytest.mark.fault(row=51, fault="`docker image prune --all` before a rollback", code="", serves="the earlier release", says="")
def test_the_image_comes_back_by_digest_when_it_was_pruned(app: App) -> None:
    previous = app.releases[app.live]["previous"]
    app.on_host("docker", "compose", "--project-name", f"{app.name}-{previous}", "rm", "--force", "--stop")
    app.on_host("docker", "image", "prune", "--all", "--force")
    app.rollback().succeeded()
    assert app.live == previous
    app.assert_tidy()


def test_retention_keeps_what_rollbacks_need(app: App) -> None:
    for tag in ("v2", "v3", "v4"):
        app.deploy(tag, app_release_keep=1).succeeded()
    kept = sorted(r["id"] for r in app.releases.values() if r["status"] in ("live", "kept"))
    assert kept == sorted([app.live, app.releases[app.live]["previous"]])
    bundles = app.on_host("ls", f"/opt/fairlead/{app.name}/releases").split()
    assert sorted(bundles) == kept
    app.rollback().succeeded()
    app.assert_tidy()


@pytest.mark.fault(
    row=123,
    fault="the database's password was changed since the release to go back to was live",
    code="ROLLBACK_SECRETS",
    serves="the live release",
    says="which secrets, and to deploy that tag again",
)
def test_a_password_that_was_changed_is_not_brought_back(app: App) -> None:
    old, new = (paths.STATE / "database_password").read_text().strip(), "changed-1234567890"
    set_password(app, new)
    try:
        app.deploy("v3", app_secrets={"database_password": new, "redis_password": "{{ vault_redis_password }}"}).succeeded()
        before, running = app.live, app.running()
        play = app.rollback().failed_with("ROLLBACK_SECRETS")
        assert "earlier values of database_password" in play.unfolded
        assert old not in play.output and new not in play.output
        assert (app.live, app.running()) == (before, running)
    finally:
        set_password(app, old)
    app.rollback().succeeded()
    app.assert_tidy()


def set_password(app: App, password: str) -> None:
    """Change the password of the app's role, as provisioning would."""
    hostile_database.run_as(app, "postgres", f"ALTER ROLE \"{app.name}\" PASSWORD '{password}'")
