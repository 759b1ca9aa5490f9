"""What Caddy is told, by text: that it understands it is tried on every provisioning, and in the scenarios."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).parents[3] / "roles" / "edge_proxy"


def rendered(template: str, **variables: Any) -> str:
    """Return a template with the role's defaults and these variables."""
    values: dict[str, Any] = {"app_name": "shop", "app_domain": "shop.lab", "ansible_managed": "Managed"}
    values |= yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
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
        ({"edge_proxy_maintenance_open_paths": ["/livez"]}, ["not path /livez"]),
        ({"edge_proxy_maintenance_open_paths": []}, []),
    ],
)
def test_the_page_is_looked_for_everywhere_but_at_the_open_paths(variables: dict[str, Any], expected: list[str]) -> None:
    matcher = block(rendered("site.caddy.j2", **variables), "@maintenance {")
    assert matcher == ["file {", "root /var/lib/fairlead/shop", "try_files /maintenance.html", "}", *expected]


def test_maintenance_is_told_as_such() -> None:
    handler = block(rendered("site.caddy.j2", edge_proxy_maintenance_retry_seconds=7), "handle @maintenance {")
    assert "header Retry-After 7" in handler
    assert handler[-1] == 'respond "{file./var/lib/fairlead/shop/maintenance.html}" 503'


def test_metrics_are_served_on_a_socket_of_their_own_and_nowhere_else() -> None:
    text = rendered("Caddyfile.j2")
    assert "\n\tmetrics\n" in text
    assert "\tper_host" not in text, "clients could fill the proxy's memory with labels"
    assert block(text, "http:// {") == ["bind unix//run/metrics/metrics.sock|0600", "metrics /metrics"]
    mounts = yaml.safe_load(rendered("compose.yaml.j2", __edge_proxy_networks={"files": []}))["services"]["caddy"]["volumes"]
    assert "/var/lib/fairlead-edge/metrics:/run/metrics" in mounts


def test_the_page_names_the_domain_as_text() -> None:
    assert "<p>&lt;b&gt; is being maintained" in rendered("maintenance.html.j2", app_domain="<b>")
