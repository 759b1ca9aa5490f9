"""The proxy itself: stopped, restarted, without its mount, and given settings that it cannot have."""

from typing import Any

import pytest

from lab.proxy import CONTAINER, eventually
from lab.story import PROXY_ONLY, App

# Neither the proxy's nor another service's.
FOREIGN_PORT = 8081
# While the engine itself is away nobody answers for names inside its networks, and its rules for published ports are written anew.
DISTURBED_SECONDS = 5.0


def is_served(app: App) -> bool:
    """Tell whether users get answers of the app."""
    try:
        return app.get("/health")[0] == 200
    except OSError:
        return False


@pytest.mark.fault(
    row=84, fault="the proxy started without the mount of the apps", code="–", serves="nobody, until provisioned again", says="–"
)
def test_provisioning_repairs_a_proxy_without_the_mount(app: App) -> None:
    app.on_host("systemctl", "stop", "run-fairlead-apps.mount")
    # Where /run is a shared mount, it starts over the empty directory; elsewhere the engine refuses to start it.
    app.host.run(["docker", "restart", CONTAINER])
    eventually(lambda: not is_served(app))
    app.play("provision", *PROXY_ONLY).succeeded()
    eventually(lambda: app.get("/health")[0] == 200)
    assert app.play("provision").succeeded().changed == 0
    app.assert_tidy()


def test_the_page_covers_a_hand_over_that_takes_long(app: App) -> None:
    container, flag = f"{app.name}-{app.live}-api-1", f"/var/lib/fairlead/{app.name}/handover"
    app.on_host("touch", flag)
    assert app.get("/items")[0] == 200, "the flag alone changes nothing"
    app.on_host("docker", "stop", container)
    status, headers, body = app.get("/items")
    assert (status, headers["retry-after"], headers["cache-control"]) == (503, "5", "no-store")
    assert headers["content-type"].startswith("text/html") and "edge-story.lab is being maintained" in body
    app.on_host("rm", flag)
    assert app.get("/items")[0] == 502
    app.on_host("docker", "start", container)
    eventually(lambda: app.get("/ready")[0] == 200)
    app.assert_tidy()


@pytest.mark.fault(
    row=48, fault="proxy container stopped", code="PROXY_DOWN", serves="nobody, until it is started", says="the container's state"
)
def test_no_deploy_without_the_proxy(app: App) -> None:
    live, running = app.live, app.running()
    app.on_host("docker", "stop", CONTAINER)
    play = app.deploy("v3").failed_with("PROXY_DOWN")
    assert f"{CONTAINER} is exited" in play.unfolded and "docker compose --project-name edge start" in play.unfolded
    assert (app.live, app.running()) == (live, running)
    app.on_host("docker", "compose", "--project-name", "edge", "start")
    eventually(lambda: app.get("/ready")[0] == 200)
    app.assert_tidy()


def test_a_restarted_proxy_finds_the_live_release(app: App) -> None:
    app.on_host("docker", "restart", CONTAINER)
    eventually(lambda: app.get("/ready")[1]["x-release"] == app.live)
    app.assert_tidy()


@pytest.mark.fault(
    row=39,
    fault="engine restarted between deploys, live-restore on",
    code="-",
    serves="the live release; for a moment new connections, from users or to the database, fail",
    says="-",
)
def test_a_restart_of_the_engine_stops_no_container_and_cuts_no_answer(app: App) -> None:
    def started() -> list[str]:
        listing = "docker ps --quiet | xargs docker inspect --format '{{.Name}} {{.State.StartedAt}}' | sort"
        return app.on_host("sh", "-c", listing).splitlines()

    before = started()
    with app.load(50) as load:
        app.on_host("systemctl", "restart", "docker")
        assert started() == before
    report = load.report
    times = [failure.at for failure in report.failures]
    assert report.failed == len(times), "more failures than the probe lists"
    assert max(times, default=0) - min(times, default=0) <= DISTURBED_SECONDS, report.failures
    # Nobody's answer is cut: a client is not let in, or the app says that it cannot reach the database by name.
    assert all("refused" in failure.error or failure.status == 503 for failure in report.failures), report.failures
    assert not report.lost and not report.doubled and not report.phantom, report.suspects
    app.assert_tidy()


@pytest.mark.fault(
    row=49,
    fault="proxy setting that means nothing",
    code="PROXY_CONFIG",
    serves="the live release, by the old configuration",
    says="Caddy's line",
)
def test_a_setting_that_the_proxy_refuses_is_not_written(app: App) -> None:
    before = app.fingerprint()
    play = app.play("provision", *PROXY_ONLY, edge_proxy_acme_email="two words").failed_with("PROXY_CONFIG")
    assert "email" in play.unfolded and "Error: " in play.unfolded
    assert app.fingerprint() == before
    app.assert_tidy()


@pytest.mark.fault(row=54, fault="port taken by another program", code="PORT_IN_USE", serves="that program", says="its name and pid")
def test_a_port_that_another_program_has_is_left_to_it(app: App) -> None:
    app.on_host("systemd-run", "--unit=squatter", "python3", "-m", "http.server", str(FOREIGN_PORT))
    try:
        pid = app.on_host("systemctl", "show", "--property=MainPID", "--value", "squatter").strip()
        eventually(lambda: app.host.run(["curl", "--silent", "--fail", f"http://127.0.0.1:{FOREIGN_PORT}/"]).returncode == 0)
        before = app.fingerprint()
        play = app.play("provision", *PROXY_ONLY, edge_proxy_https_port=FOREIGN_PORT).failed_with("PORT_IN_USE")
        assert f"port {FOREIGN_PORT} is used by python3 (pid {pid})" in play.unfolded
        assert app.fingerprint() == before
    finally:
        app.on_host("systemctl", "stop", "squatter")
    app.assert_tidy()


@pytest.mark.fault(
    row=90,
    fault="a domain that another app on the host has",
    code="DOMAIN_TAKEN",
    serves="both apps, as before",
    says="which app, which variable",
)
@pytest.mark.parametrize("arguments", [["--check"], []])
def test_a_domain_of_another_app_is_refused_before_anything_is_written(app: App, arguments: list[str], variables: dict[str, Any]) -> None:
    before = app.fingerprint()
    other = App("edge-other", variables=variables)
    play = other.play("provision", *arguments, app_domain=app.domain).failed_with("DOMAIN_TAKEN")
    assert f"{app.domain} is a name of the app edge-story" in play.unfolded and "app_domains" in play.unfolded
    assert app.fingerprint() == before


@pytest.mark.fault(
    row=91,
    fault="the proxy fails at each start, for a file of another app",
    code="PROXY_DOWN, PROXY_CONFIG",
    serves="nobody, until that file is mended",
    says="that users reach nothing, and the proxy's words on the file",
)
def test_a_proxy_that_fails_at_each_start_is_reported_as_down(app: App) -> None:
    app.on_host("sh", "-c", "echo 'other.lab { nonsense }' > /etc/fairlead/edge/sites/other.caddy")
    app.on_host("chmod", "644", "/etc/fairlead/edge/sites/other.caddy")
    app.on_host("docker", "restart", CONTAINER)
    try:
        eventually(lambda: app.on_host("docker", "inspect", "--format={{.State.Restarting}}", CONTAINER).strip() == "true")
        status = app.play("status", status_strict=True).failed_with("DRIFT")
        assert f"users do not reach the live release: https://{app.domain}/ready: " in status.unfolded
        deploy = app.deploy("v2").failed_with("PROXY_DOWN")
        assert f"Serving now: {app.live} " in deploy.unfolded and "by the record, but users do not reach it" in deploy.unfolded
        # Its own ports are no conflict, although the engine opens and closes them all the time.
        provision = app.play("provision", *PROXY_ONLY).failed_with("PROXY_CONFIG")
        assert "other.caddy" in provision.unfolded and "what is on this host already" in provision.unfolded
    finally:
        app.on_host("rm", "/etc/fairlead/edge/sites/other.caddy")
        app.on_host("docker", "restart", CONTAINER)
    eventually(lambda: app.get("/ready")[0] == 200)
    app.assert_tidy()
