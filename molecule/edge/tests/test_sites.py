"""The site of an app: its certificate, its names, and releases that listen in different ways."""

import base64
import json
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from lab import paths
from lab.__main__ import certificate
from lab.proxy import presented
from lab.story import PROXY_ONLY, App

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
