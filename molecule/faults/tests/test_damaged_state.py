"""Records, routes and bundles that somebody or something damaged: mended, or refused in clear words, and users keep their release."""

from collections.abc import Callable

import pytest

from lab import faults
from lab.story import App

# In place of a secret; it must show up nowhere.
PLANTED = "planted-by-hand-0b1d"


@pytest.fixture
def home(app: App) -> str:
    """Where Fairlead keeps its records of the app."""
    return f"/opt/fairlead/{app.name}"


@pytest.mark.parametrize("spoil", [lambda text: text[: len(text) // 2], lambda text: "\u2603 {" + text[:20]], ids=["truncated", "garbage"])
@pytest.mark.parametrize("name", ["journal", "ledger"])
@pytest.mark.fault(row=46, fault="record damaged", code="–", serves="the live release", says="STATE_REBUILT: what was wrong")
def test_a_damaged_record_is_rebuilt(app: App, home: str, name: str, spoil: Callable[[str], str]) -> None:
    file, tag, running, known = f"{home}/{name}.json", app.releases[app.live]["tag"], app.running(), servable(app)
    spoilt = spoil(app.on_host("cat", file))
    faults.damage(app, file, spoilt)
    play = app.deploy(tag).succeeded()
    assert "STATE_REBUILT: " in play.unfolded and file in play.unfolded, play.output
    assert app.on_host("sh", "-c", 'cat "$(ls -t "$1".corrupt-* | head -n 1)"', "sh", file) == spoilt
    assert (app.running(), servable(app)) == (running, known)
    app.assert_tidy()
    app.on_host("sh", "-c", 'rm "$1".corrupt-*', "sh", file)


@pytest.mark.parametrize("name", ["journal", "ledger"])
@pytest.mark.fault(row=46, fault="record of a newer version", code="STATE_SCHEMA", serves="the live release", says="file and versions")
def test_a_record_of_a_newer_version_is_left_alone(app: App, home: str, name: str) -> None:
    file, running = f"{home}/{name}.json", app.running()
    mine = app.on_host("cat", file)
    faults.damage(app, file, faults.newer(mine))
    try:
        play = app.deploy("v5").failed_with("STATE_SCHEMA")
        assert app.on_host("cat", file) == faults.newer(mine)
    finally:
        faults.damage(app, file, mine)
    assert file in play.unfolded and "99" in play.unfolded
    assert app.running() == running
    app.assert_tidy()


@pytest.mark.parametrize("content", [None, "\u2603\n", "r999\n"], ids=["missing", "garbage", "dangling"])
@pytest.mark.fault(
    row=47, fault="route damaged", code="–", serves="nobody, then the live release again", says="RECOVERED: what the route said"
)
def test_a_damaged_route_is_repaired(app: App, content: str | None) -> None:
    live, running = app.live, app.running()
    faults.damage(app, f"/var/lib/fairlead/{app.name}/route", content)
    assert app.get("/ready")[0] == 502
    play = app.deploy(app.releases[live]["tag"]).succeeded()
    assert "RECOVERED: the route was" in play.unfolded and f"it names {live} again" in play.unfolded, play.output
    assert (app.live, app.running()) == (live, running)
    app.assert_tidy()


@pytest.mark.fault(
    row=50,
    fault="files of the live release edited by hand",
    code="DRIFT",
    serves="the live release, until a deploy makes it anew",
    says="which files; no values",
)
def test_drift_is_reported_and_repaired_by_a_deploy(app: App, home: str) -> None:
    live, bundle, copy = app.live, f"{home}/releases/{app.live}", "/run/bundle-as-it-was"
    tag = app.releases[live]["tag"]
    app.on_host("cp", "--archive", bundle, copy)
    try:
        app.on_host("sh", "-c", 'echo "# by hand" >>"$1/compose.yaml"; echo "LOG_LEVEL=\\"debug\\"" >>"$1/app.env"', "sh", bundle)
        faults.damage(app, f"{bundle}/secrets/database_password", PLANTED)
        told = app.play("status").succeeded()
        strict = app.play("status", status_strict=True).failed_with("DRIFT")
        deploy = app.deploy(tag).succeeded()
    finally:
        app.on_host("cp", "--archive", "--no-target-directory", copy, bundle)
        app.on_host("rm", "--recursive", copy)
    for play in (told, strict, deploy):
        for file in ("compose.yaml", "app.env", "database_password"):
            assert file in play.output, f"{file} is not named\n{play.output}"
        assert PLANTED not in play.output
    assert "DRIFT: " in deploy.unfolded
    assert (app.live != live, app.releases[app.live]["tag"]) == (True, tag)
    app.play("status", status_strict=True).succeeded()
    app.assert_tidy()


@pytest.mark.parametrize("free_pages", [0, 4])
@pytest.mark.fault(row=10, fault="disk full while records are written", code="STATE_WRITE", serves="the live release", says="the file")
def test_a_full_disk_under_the_records(app: App, home: str, free_pages: int) -> None:
    running, known = app.running(), servable(app)
    with faults.full_state_disk(app, free_pages):
        play = app.deploy("v5").failed_with("STATE_WRITE")
        assert servable(app) == known
    assert home in play.unfolded
    assert app.running() == running
    app.deploy(app.releases[app.live]["tag"]).succeeded()
    assert app.running() == running
    app.assert_tidy()


@pytest.mark.fault(row=51, fault="everything unused pruned", code="–", serves="the release before", says="–")
def test_a_pruned_release_comes_back_by_digest(app: App) -> None:
    before = app.live
    app.deploy("v5").succeeded()
    app.on_host("docker", "system", "prune", "--all", "--force")
    app.rollback().succeeded()
    assert app.live == before
    app.assert_tidy()


@pytest.mark.fault(row=51, fault="image pruned, registry gone", code="ROLLBACK_IMAGE", serves="the live release", says="the digest")
def test_without_image_and_registry_there_is_no_way_back(app: App) -> None:
    live, running = app.live, app.running()
    (target,) = (record for record in app.releases.values() if record["previous"] == live and record["status"] == "kept")
    app.on_host("docker", "system", "prune", "--all", "--force")
    with faults.refusing_registry(app):
        play = app.rollback(release=target["id"]).failed_with("ROLLBACK_IMAGE")
    assert target["digest"] in play.unfolded
    assert (app.live, app.running()) == (live, running)
    app.assert_tidy()
    app.rollback(release=target["id"]).succeeded()
    assert app.live == target["id"]
    app.assert_tidy()


def servable(app: App) -> dict[str, str]:
    """The digests of the releases that serve, or could again."""
    return {release: record["digest"] for release, record in app.releases.items() if record["status"] in ("live", "kept")}
