"""The proxy in front of an app: what its operator does to it, what happens to it, and what users see meanwhile."""

import base64
import json
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import links, paths
from lab.__main__ import certificate
from lab.hosts import BOOT_SECONDS
from lab.story import PROXY_ONLY, App

VARIABLES = yaml.safe_load((Path(__file__).parents[1] / "vars" / "main.yml").read_text())
PROXY = "edge-caddy-1"
ANSWERS = "/var/lib/fairlead-edge/answers/edge-story.log"
# Neither the proxy's nor another service's.
FOREIGN_PORT = 8081
# An image that is served by uvicorn alone.
PLAIN = {"app_release_migrate": False, "app_release_docs_path": ""}
TCP = {"app_listen": "tcp", "app_port": 8000}
NAMES = ("edge-story.lab", "www.edge-story.lab", "edge-alias.lab", "*.edge-story.lab")
# Several names, and settings of this app alone; the password is "hiccup".
SHAPE: dict[str, Any] = {
    "app_domain": "",
    "app_domains": [{"name": name, "redirect": name.startswith("www.")} for name in NAMES],
    "edge_proxy_headers": {"X-Frame-Options": "DENY"},
    "edge_proxy_basic_auth": [
        {"paths": ["/openapi.json"], "users": {"alice": "$2a$05$KpHO9hsTmDhdm1N7byHciuUgztg6OHXH3j.hi38Mn26BthZp/rxpK"}}
    ],
    "edge_proxy_trusted_proxies": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
}
# Of nobody: an address for documentation.
CLIENT = "203.0.113.9"
# While the engine itself is away nobody answers for names inside its networks, and its rules for published ports are written anew.
DISTURBED_SECONDS = 5.0


@pytest.fixture(scope="session")
def app() -> App:
    """The app that converge deployed, seen by users who trust the lab's authority."""
    found = App("edge-story", variables=VARIABLES)
    found.authority = paths.CA_CERTIFICATE
    return found


def test_maintenance_answers_all_but_readiness_checks(app: App) -> None:
    before = app.fingerprint()
    assert app.play("maintenance", "--check", "--diff", maintenance="on").succeeded().changed == 1
    assert app.fingerprint() == before
    # As the command line hands it over, and as YAML understands it.
    assert app.play("maintenance", "-e", "maintenance=on").succeeded().changed == 1
    assert app.play("maintenance", maintenance=True).succeeded().changed == 0
    for method in ("GET", "POST"):
        status, headers, body = app.request(method, "/items")
        assert (status, headers["retry-after"], headers["cache-control"]) == (503, "90", "no-store")
        assert headers["content-type"].startswith("text/html") and "edge-story.lab is being maintained" in body
    assert (app.get("/health")[0], app.get("/ready")[0]) == (200, 200)


def test_a_deploy_works_behind_the_page(app: App) -> None:
    first = app.live
    app.deploy("v2").succeeded()
    assert app.live != first
    assert (app.get("/items")[0], app.get("/ready")[1]["x-release"]) == (503, app.live)
    assert answers(app, 503) == answers(app, 200, page=True) == 0, "a deploy would count what the app did not answer"
    assert answers(app, 503, page=True) > 0


@pytest.mark.fault(row=35, fault="power cut during maintenance", code="-", serves="the live release, behind the page", says="-")
def test_page_and_live_release_survive_a_reboot(app: App) -> None:
    live = app.live
    app.host.kill()
    app.host.start()
    eventually(lambda: app.get("/ready")[1].get("x-release") == live, BOOT_SECONDS)
    assert (app.get("/items")[0], app.live) == (503, live)
    eventually(lambda: answers(app, 503, page=True) > 0)


def test_after_maintenance_users_are_back(app: App) -> None:
    page = "<!doctype html><p>moving house"
    assert app.play("maintenance", maintenance="on", edge_proxy_maintenance_page=page).succeeded().changed == 1
    assert app.get("/")[2] == page
    assert app.play("maintenance", "-e", "maintenance=off").succeeded().changed == 1
    assert app.play("maintenance", maintenance=False).succeeded().changed == 0
    assert app.get("/items")[0] == 200
    app.assert_tidy()


@pytest.mark.parametrize("value", ["maybe", ""])
def test_maintenance_is_on_or_off(app: App, value: str) -> None:
    play = app.play("maintenance", maintenance=value).failed_with("CONFIG")
    assert "-e maintenance=on" in play.unfolded
    assert app.get("/items")[0] == 200


def test_answers_are_logged_for_root_of_the_host_alone(app: App) -> None:
    before = {code: answers(app, code) for code in (200, 404)}
    assert [app.get(path)[0] for path in ("/health", "/health", "/no-such-path")] == [200, 200, 404]
    eventually(lambda: {code: answers(app, code) - before[code] for code in before} == {200: 2, 404: 1})
    assert app.on_host("stat", "--format=%a", ANSWERS.rpartition("/")[0], ANSWERS).split() == ["700", "600"]


def test_no_log_has_what_clients_keep_secret(app: App) -> None:
    secret = "planted-secret"
    headers = [f"{name}: {secret}" for name in ("Authorization", "Cookie", "X-Api-Key", "Referer", "User-Agent")]
    address = ("--resolve", f"{app.domain}:443:127.0.0.1", f"https://{app.domain}/items?limit=1&token={secret}")

    def ask() -> None:
        app.on_host("curl", "--silent", "--insecure", *(word for header in headers for word in ("--header", header)), *address)

    ask()
    with links.planted(app, "/nowhere"):
        ask()  # what the proxy says of an app that does not answer is another log
    said = app.on_host("sh", "-c", f"docker logs {PROXY} 2>&1; cat {ANSWERS}")
    assert '"uri":"/items"' in said and '"level":"error"' in said
    assert secret not in said


@pytest.mark.parametrize(
    "path",
    [
        *("/metrics", "/metrics/", "/metrics/x", "//metrics", "/metrics//", "/METRICS/", "/%6detrics", "/metrics%2Fx"),
        *("/metrics?x=/health", "/x/../metrics", "/./metrics/"),
    ],
)
def test_private_paths_are_hidden_however_they_are_written(app: App, path: str) -> None:
    status, _, body = app.get(path)
    assert (status, body) == (404, ""), "the app has answered"


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
    app.host.run(["docker", "restart", PROXY])
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
    app.on_host("docker", "stop", PROXY)
    play = app.deploy("v3").failed_with("PROXY_DOWN")
    assert f"{PROXY} is exited" in play.unfolded and "docker compose --project-name edge start" in play.unfolded
    assert (app.live, app.running()) == (live, running)
    app.on_host("docker", "compose", "--project-name", "edge", "start")
    eventually(lambda: app.get("/ready")[0] == 200)
    app.assert_tidy()


def test_a_restarted_proxy_finds_the_live_release(app: App) -> None:
    app.on_host("docker", "restart", PROXY)
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
        assert f"port {FOREIGN_PORT} of {app.host.name} is used by python3 (pid {pid})" in play.unfolded
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
def test_a_domain_of_another_app_is_refused_before_anything_is_written(app: App, arguments: list[str]) -> None:
    before = app.fingerprint()
    other = App("edge-other", variables=VARIABLES)
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
    app.on_host("docker", "restart", PROXY)
    try:
        eventually(lambda: app.on_host("docker", "inspect", "--format={{.State.Restarting}}", PROXY).strip() == "true")
        status = app.play("status", status_strict=True).failed_with("DRIFT")
        assert f"users do not reach the live release: https://{app.domain}/ready: " in status.unfolded
        deploy = app.deploy("v2").failed_with("PROXY_DOWN")
        assert f"Serving now: {app.live} " in deploy.unfolded and "by the record, but users do not reach it" in deploy.unfolded
        # Its own ports are no conflict, although the engine opens and closes them all the time.
        provision = app.play("provision", *PROXY_ONLY).failed_with("PROXY_CONFIG")
        assert "other.caddy" in provision.unfolded and "what is on this host already" in provision.unfolded
    finally:
        app.on_host("rm", "/etc/fairlead/edge/sites/other.caddy")
        app.on_host("docker", "restart", PROXY)
    eventually(lambda: app.get("/ready")[0] == 200)
    app.assert_tidy()


def test_a_plain_uvicorn_on_the_socket_knows_its_client(app: App) -> None:
    app.deploy("plain", **PLAIN).succeeded()
    # What the client says of itself does not count: nobody here is a trusted proxy.
    assert seen_by_the_app(app) == ("https", own_address(app))
    assert app.get("/who?a=b")[1]["location"] == f"https://{app.domain}/who/?a=b"


@pytest.mark.fault(
    row=92,
    fault="listening or names changed, and a deploy without provisioning",
    code="SITE_MISMATCH",
    serves="the release before",
    says="what differs, to run playbooks/provision.yml",
)
def test_a_deploy_that_the_site_does_not_fit_is_refused_before_it_begins(app: App) -> None:
    before = app.fingerprint()
    play = app.deploy("plain", **PLAIN, **SHAPE, **TCP).failed_with("SITE_MISMATCH")
    for words in ("(app_listen, app_port)", "www.edge-story.lab (redirected)", "playbooks/provision.yml"):
        assert words in play.unfolded
    assert app.fingerprint() == before


@pytest.mark.fault(
    row=42, fault="certificate expired", code="CERT_EXPIRY (a warning)", serves="the new release, HTTPS as before", says="since when"
)
def test_an_expired_certificate_is_reported_and_does_not_stop_a_deploy(app: App) -> None:
    expired = give_certificate(app, days=-3)
    assert presented(app) == expired
    play = app.deploy("v3").succeeded()
    assert "CERT_EXPIRY: " in play.unfolded and app.domain in play.unfolded


def test_a_replaced_certificate_is_presented_at_once(app: App) -> None:
    renewed = give_certificate(app, days=90, names=NAMES, **SHAPE, **TCP)
    assert presented(app) == renewed
    # Trusted again; the site is for TCP by now and still reaches the live release on its socket.
    assert app.get("/ready")[1]["x-release"] == app.live
    assert app.on_host("stat", "--format=%a", "/etc/fairlead/edge/certificates/edge-story.pem").strip() == "400"


def test_a_plain_uvicorn_over_tcp_knows_its_client(app: App) -> None:
    command = ["uvicorn", "plain:app", "--host", "0.0.0.0", "--port", "8000"]
    app.deploy("plain", **PLAIN, **SHAPE, **TCP, app_release_command=command).succeeded()
    # By now the client is a trusted proxy, and what it says of the client before it counts.
    assert seen_by_the_app(app) == ("https", CLIENT)
    assert app.get("/who?a=b")[1]["location"] == f"https://{app.domain}/who/?a=b"


def test_an_app_has_several_names(app: App) -> None:
    for name in (app.domain, "edge-alias.lab", "any.edge-story.lab"):
        assert app.request("GET", "/ready", name=name)[1]["x-release"] == app.live
    for method in ("GET", "POST"):
        status, headers, _ = app.request(method, "/who/?a=b&c=%2F", name="www.edge-story.lab")
        assert (status, headers["location"]) == (308, f"https://{app.domain}/who/?a=b&c=%2F")
    output = app.play("smoke", "-v", **SHAPE, **TCP).succeeded().output
    assert "https://edge-alias.lab/ready: HTTP 200" in output and "https://www.edge-story.lab/ready?" in output


def test_settings_of_one_app_alone(app: App) -> None:
    assert app.get("/ready")[1]["x-frame-options"] == "DENY"
    assert app.get("/openapi.json")[0] == 401
    password = base64.b64encode(b"alice:hiccup").decode()
    assert app.request("GET", "/openapi.json", headers={"Authorization": f"Basic {password}"})[0] == 200


def test_back_to_a_release_on_the_socket(app: App) -> None:
    app.rollback(**SHAPE, **TCP).succeeded()
    assert app.get("/items")[0] == 200
    app.assert_tidy()


def test_a_key_of_another_certificate_is_refused(app: App) -> None:
    before = app.fingerprint()
    other = f"{{{{ lookup('ansible.builtin.file', '{paths.REGISTRY / 'tls.key'}') }}}}"
    play = app.play("provision", *PROXY_ONLY, edge_proxy_tls_key=other, **SHAPE).failed_with("PROXY_CONFIG")
    assert "private key does not match public key" in play.unfolded and "PRIVATE KEY---" not in play.output
    assert app.fingerprint() == before


def test_what_was_provisioned_is_on_record(app: App) -> None:
    app.play("provision", *PROXY_ONLY).succeeded()  # with the app's own variables again
    edge, data = "/opt/fairlead/edge", "/opt/fairlead/edge-story/data"
    for record in (f"{edge}/recorded.sha256", f"{edge}/recorded-edge-story.sha256", f"{data}/recorded.sha256"):
        app.on_host("sha256sum", "--check", "--strict", "--quiet", record)
        assert app.on_host("stat", "--format=%a", record).strip() == "600"
    recorded = [line.split()[1] for line in app.on_host("sh", "-c", f"cat {edge}/recorded*.sha256 {data}/recorded.sha256").splitlines()]
    assert {"/etc/fairlead/edge/Caddyfile", f"{edge}/compose.yaml", "/etc/fairlead/edge/sites/edge-story.caddy"} <= set(recorded)
    assert {f"{data}/compose.yaml", f"{data}/secrets/postgres_password", f"{data}/secrets/redis.conf"} <= set(recorded)
    # Nothing of an app that is provisioned after this one is in the record of this one's site.
    assert len(app.on_host("cat", f"{edge}/recorded-edge-story.sha256").splitlines()) == 1


def give_certificate(app: App, days: float, names: Sequence[str] = ("edge-story.lab",), **variables: Any) -> str:
    """Issue a certificate and provision the host with it, and with more variables. Returns it as PEM."""
    folder = paths.STATE / "edge-story"
    certificate(names, days, folder)
    app.play("provision", *PROXY_ONLY, **variables).succeeded()
    return (folder / "tls.crt").read_text()


def own_address(app: App) -> str:
    """Return the address from which this machine asks."""
    with socket.create_connection((str(app.host.address), 443), timeout=10) as connection:
        return str(connection.getsockname()[0])


def seen_by_the_app(app: App) -> tuple[str, str]:
    """Return the scheme and the client that the app sees when a request names another client in every way."""
    claims = {"X-Forwarded-For": CLIENT, "X-Real-IP": CLIENT, "Forwarded": f"for={CLIENT};proto=http", "X-Forwarded-Proto": "http"}
    told = json.loads(app.request("GET", "/who/", headers={**claims, "X-Forwarded-Prefix": "/evil"})[2])
    assert (told["headers"]["x-real-ip"], told["headers"]["x-forwarded-for"]) == (told["client"], told["client"])
    assert not {"forwarded", "x-forwarded-prefix"} & set(told["headers"])
    return told["scheme"], told["client"]


def presented(app: App) -> str:
    """Return the certificate that users are shown, trusted or not, as PEM."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((str(app.host.address), 443), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname=app.domain) as shown,
    ):
        return ssl.DER_cert_to_PEM_cert(shown.getpeercert(binary_form=True) or b"")


def answers(app: App, status: int, page: bool = False) -> int:
    """Return how many requests the app, or a page of the proxy's own, has answered so, as the log for deploys tells."""
    logged = map(json.loads, app.on_host("cat", ANSWERS).splitlines())
    return sum(1 for answer in logged if (answer["status"], "page" in answer) == (status, page))


def eventually(condition: Callable[[], bool], within_seconds: float = 30) -> None:
    """Wait until something is so; meanwhile it may also fail to be asked."""
    deadline = time.monotonic() + within_seconds
    while True:
        try:
            if condition():
                return
        except (OSError, KeyError):
            pass  # nobody listens yet, or the proxy answers for an app that is not there yet
        assert time.monotonic() < deadline, f"not within {within_seconds:g} s"
        time.sleep(0.1)
