"""What Caddy is told, by text: that it understands it is tried on every provisioning, and in the scenarios."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from rendering import trusted

ROLE = Path(__file__).parents[3] / "roles" / "edge_proxy"


def rendered(template: str, **variables: Any) -> str:
    """Return a template with the role's defaults and these variables."""
    values: dict[str, Any] = {"app_name": "shop", "app_domain": "shop.lab", "ansible_managed": "Managed"}
    values |= trusted(yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8")))
    values |= {
        "__edge_proxy_names": {"served": ["shop.lab"], "redirected": [], "earlier": []},
        "__edge_proxy_probe_paths": ["/health", "/ready"],
    }
    values |= {"__edge_proxy_domains": [{"name": "shop.lab"}]}
    values |= {"__edge_proxy_listen": "socket", "__edge_proxy_port": 8000, "__edge_proxy_uid": 20002, "__edge_proxy_gid": 20001}
    templar = Templar(loader=DataLoader(), variables=values | variables)
    return str(templar.template(trust_as_template((ROLE / "templates" / template).read_text(encoding="utf-8"))))


def block(text: str, begin: str) -> list[str]:
    """Return the lines between one that begins so and the bracket that closes it."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.strip().startswith(begin))
    indent = len(lines[start]) - len(lines[start].lstrip())
    end = next(number for number in range(start + 1, len(lines)) if lines[number] == lines[start][:indent] + "}")
    return [line.strip() for line in lines[start + 1 : end]]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ["not path /health /ready"]),
        ({"app_release_live_path": "/livez", "app_release_ready_path": "/readyz"}, ["not path /livez /readyz"]),
        ({"edge_proxy_maintenance_open_paths": ["/livez"]}, ["not path /livez"]),
        ({"edge_proxy_maintenance_open_paths": []}, []),
    ],
)
def test_the_page_is_looked_for_everywhere_but_at_the_open_paths(variables: dict[str, Any], expected: list[str]) -> None:
    matcher = block(rendered("site.caddy.j2", **variables), "@maintenance {")
    assert matcher == ["file {", "root /var/lib/fairlead/shop", "try_files /maintenance.html", "}", *expected]


@pytest.mark.parametrize("tls", ["acme", "internal", "files"])
@pytest.mark.parametrize("logged", [True, False])
def test_an_option_that_is_off_leaves_no_line(tls: str, logged: bool) -> None:
    # Ansible's templates make None of a macro without output.
    names = {"served": ["shop.lab"], "redirected": ["www.shop.lab"], "earlier": []}
    site = rendered("site.caddy.j2", edge_proxy_tls=tls, edge_proxy_access_log=logged, __edge_proxy_names=names)
    assert "None" not in site
    assert (site.count("\ttls "), site.count("output stdout")) == (0 if tls == "acme" else 2, 2 if logged else 0)


@pytest.mark.parametrize("handler", ["handle @maintenance {", "handle @handover {"])
def test_pages_of_the_proxys_own_are_marked_in_its_log(handler: str) -> None:
    assert "log_append page true" in block(rendered("site.caddy.j2"), handler)


def test_maintenance_is_answered_with_503_and_retry_after() -> None:
    handler = block(rendered("site.caddy.j2", edge_proxy_maintenance_retry_seconds=7), "handle @maintenance {")
    assert "header Retry-After 7" in handler
    assert handler[-1] == 'respond "{file./var/lib/fairlead/shop/maintenance.html}" 503'


def compose(migrates: bool = True) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(rendered("compose.yaml.j2", __edge_proxy_migrate={"stat": {"exists": migrates}}))
    return loaded


def test_answers_are_logged_for_each_app_in_a_file_of_its_own() -> None:
    log = block(rendered("site.caddy.j2", edge_proxy_access_log=False), "log answers-shop {")
    assert log[0] == "output file /run/answers/shop.log {"
    assert {"request delete", "resp_headers delete", "user_id delete"} <= set(log), "a client could write a line of its own"
    assert "/var/lib/fairlead-edge/answers:/run/answers" in compose()["services"]["caddy"]["volumes"]


@pytest.mark.parametrize(("template", "log"), [("site.caddy.j2", "log {"), ("Caddyfile.j2", "log default {")])
def test_no_log_has_queries_or_headers(template: str, log: str) -> None:
    assert {'request>uri regexp "[?].*" ""', "request>headers delete", "resp_headers delete"} <= set(block(rendered(template), log))


@pytest.mark.parametrize(
    ("paths", "matcher"),
    [
        (["/metrics"], "/metrics /metrics/*"),
        (["/metrics/"], "/metrics /metrics/*"),
        (["/metrics", "/admin"], "/metrics /metrics/* /admin /admin/*"),
        (["/internal*", "*/debug"], "/internal* */debug"),
    ],
)
def test_a_private_path_hides_what_lies_below_it(paths: list[str], matcher: str) -> None:
    lines = [line.strip() for line in rendered("site.caddy.j2", edge_proxy_private_paths=paths).splitlines()]
    place = lines.index("respond @private 404")
    assert lines[place - 1] == f"@private path {matcher}"


def test_no_private_paths() -> None:
    assert "@private" not in rendered("site.caddy.j2", edge_proxy_private_paths=[])


@pytest.mark.parametrize("migrates", [True, False])
def test_the_proxy_sees_the_apps_through_the_mount_and_knows_no_network_of_theirs(migrates: bool) -> None:
    project = compose(migrates)
    caddy = project["services"]["caddy"]
    bind = {"create_host_path": False, "propagation": "rslave"}
    apps = {"type": "bind", "source": "/run/fairlead/apps", "target": "/var/lib/fairlead", "bind": bind}
    assert apps in caddy["volumes"]
    assert (caddy["networks"], project["networks"]) == (["edge"], {"edge": {"name": "0-edge"}})
    assert caddy.get("sysctls") == ({"net.ipv4.tcp_migrate_req": "1"} if migrates else None)
    assert "Options=rbind,ro,nosymfollow,rslave" in rendered("run-fairlead-apps.mount.j2")


def test_the_page_names_the_domain_as_text() -> None:
    assert "<p>&lt;b&gt; is being maintained" in rendered("maintenance.html.j2", __edge_proxy_domains=[{"name": "<b>"}])


def test_only_the_names_that_do_not_redirect_reach_the_app() -> None:
    names = {"served": ["shop.lab", "*.shop.lab"], "redirected": ["www.lab"], "earlier": []}
    text = rendered("site.caddy.j2", __edge_proxy_names=names, edge_proxy_tls="files")
    assert any("reverse_proxy" in line for line in block(text, "shop.lab, *.shop.lab {"))
    redirects = block(text, "www.lab {")
    assert redirects[0] == "tls /etc/caddy/certificates/shop.pem /etc/caddy/certificates/shop.pem"
    assert redirects[-1] == "redir https://shop.lab{uri} 308"
    assert not any("reverse_proxy" in line for line in redirects)


ROUTE = "{file./var/lib/fairlead/shop/route}"
SOCKET, TCP = f"unix//var/lib/fairlead/shop/{ROUTE}/api.sock {{", f"shop-{ROUTE}:8000 {{"
EARLIER = [{"upstream": "8080", "releases": ["r1", "r2"]}, {"upstream": "socket", "releases": ["r3"]}]


@pytest.mark.parametrize(
    ("listen", "earlier", "upstreams"),
    [
        ("socket", [], [SOCKET]),
        ("tcp", [], [TCP]),
        ("tcp", EARLIER, [f"@earlier1 shop-{ROUTE}:8080 {{", f"@earlier2 {SOCKET}", TCP]),
    ],
)
def test_headers_of_a_client_about_its_address_do_not_reach_the_app(
    listen: str, earlier: list[dict[str, Any]], upstreams: list[str]
) -> None:
    names = {"served": ["shop.lab"], "redirected": [], "earlier": earlier}
    site = block(rendered("site.caddy.j2", __edge_proxy_listen=listen, __edge_proxy_names=names), "shop.lab {")
    removed = [site.index(f"request_header -{name}") for name in ("Forwarded", "X-Forwarded-*", "X-Real-IP")]
    proxies = [number for number, line in enumerate(site) if line.startswith("reverse_proxy")]
    assert [site[number] for number in proxies] == [f"reverse_proxy {upstream}" for upstream in upstreams]
    assert max(removed) < min(proxies)
    for header in ("X-Forwarded-For", "X-Real-IP"):
        assert site.count(f"header_up {header} {{client_ip}}") == len(proxies)
    matchers = [f"@earlier{number} vars {ROUTE} {' '.join(each['releases'])}" for number, each in enumerate(earlier, 1)]
    assert [line for line in site if line.startswith("@earlier")] == matchers


def test_trusted_proxies_are_judged_from_the_last_one() -> None:
    assert "trusted_proxies" not in rendered("Caddyfile.j2")
    lines = block(rendered("Caddyfile.j2", edge_proxy_trusted_proxies=["10.0.0.0/8", "fd00::/8"]), "servers {")
    assert {"trusted_proxies static 10.0.0.0/8 fd00::/8", "trusted_proxies_strict"} <= set(lines)


def test_passwords_are_asked_for_but_where_releases_are_checked() -> None:
    rule = {"paths": ["/admin/*"], "users": {"alice": "$2y$05$hash"}}
    text = rendered("site.caddy.j2", edge_proxy_basic_auth=[rule])
    assert block(text, "basic_auth @auth1 {") == ["alice $2y$05$hash"]
    assert {"path /admin/*", "not path /health /ready"} <= set(block(text, "@auth1 {"))


def test_headers_are_text_whatever_is_in_them() -> None:
    text = rendered("site.caddy.j2", edge_proxy_headers={"X-Frame-Options": "DENY", "X-Said": 'a "b" c'})
    assert {"X-Frame-Options `DENY`", 'X-Said `a "b" c`'} <= set(block(text, "header {"))
