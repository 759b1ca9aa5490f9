"""What a site at the proxy was written for, and which releases it fits."""

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import site as _site
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge.site import Site
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.domains import normalised
from fakes_host import settings_with

SHOP = normalised([{"name": "shop.lab"}])
BOTH = normalised([{"name": "shop.lab"}, {"name": "www.shop.lab", "redirect": True}])
OLDER = "# Ansible managed\nshop.lab {\n\ttls internal\n}\n"


@pytest.mark.parametrize(
    ("text", "site"),
    [
        (Site(BOTH, "tcp", 8080, ["/ready"]).record() + "# Ansible managed\nshop.lab {\n}\n", Site(BOTH, "tcp", 8080, ["/ready"])),
        (OLDER, Site(SHOP)),
        ("# fairlead: {damaged}\nshop.lab {\n}\n", None),
        ('# fairlead: {"unknown": 1}\nshop.lab {\n}\n', None),
        ("", None),
    ],
)
def test_a_site_records_what_it_was_written_for(text: str, site: Site | None) -> None:
    assert _site.parse(text) == site


def test_the_names_of_the_other_apps(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    for app, text in (("shop", OLDER), ("old", OLDER), ("new", Site(BOTH, "socket").record()), ("broken", "{")):
        _site.site_file(app, tmp_path).write_text(text)
    assert _site.other_domains("shop", tmp_path) == {"old": SHOP, "new": BOTH}
    assert _site.other_domains("shop", tmp_path / "bare") == {}


SOCKET, TCP = Site(SHOP, "socket", 8000, ["/health", "/ready"]), Site(SHOP, "tcp", 8000, ["/health", "/ready"])


@pytest.mark.parametrize(
    ("site", "settings", "maintenance", "words"),
    [
        (SOCKET, {}, False, None),
        (SOCKET, {"port": 9}, False, None),
        (TCP, {"listen": "tcp"}, False, None),
        (TCP, {}, False, "for an app on TCP port 8000, and the release listens on socket (app_listen, app_port)"),
        (SOCKET, {"listen": "tcp"}, False, "for an app on socket, and the release listens on TCP port 8000 (app_listen, app_port)"),
        (TCP, {"listen": "tcp", "port": 8080}, False, "on TCP port 8000, and the release listens on TCP port 8080"),
        (SOCKET, {"domain": "new.lab"}, False, "it has shop.lab instead of new.lab (app_domain, app_domains)"),
        (SOCKET, {"domains": BOTH}, False, "it has shop.lab instead of shop.lab, www.shop.lab (redirected)"),
        (SOCKET, {"ready_path": "/readyz"}, False, None),
        (SOCKET, {"ready_path": "/readyz"}, True, "its maintenance page covers /readyz"),
        (Site(SHOP), {"listen": "tcp", "ready_path": "/readyz"}, True, None),  # it does not say what it was written for
        (Site(SHOP), {"domain": "new.lab"}, False, "it has shop.lab instead of new.lab"),
    ],
)
def test_whether_a_release_fits_the_site(site: Site, settings: dict[str, Any], maintenance: bool, words: str | None) -> None:
    found = _site.mismatch(site, settings_with(**settings), maintenance)
    if words is None:
        assert found is None
    else:
        assert found is not None
        assert (found.code, "playbooks/provision.yml" in found.todo) == ("SITE_MISMATCH", True)
        assert words in found.what


def test_all_mismatches_are_reported_at_once() -> None:
    settings = settings_with(listen="tcp", domain="new.lab", ready_path="/readyz")
    found = _site.mismatch(SOCKET, settings, maintenance=True)
    assert found is not None
    assert found.what.count(";") == 2


def test_an_earlier_release_has_the_names_of_its_own_time() -> None:
    assert _site.mismatch(SOCKET, settings_with(domain="old.lab"), maintenance=False, release="r1") is None


@pytest.mark.parametrize(("release", "fits"), [("r1", True), ("r2", False), (None, False)])
def test_an_earlier_release_is_reached_as_it_listened(release: str | None, fits: bool) -> None:
    site = Site(SHOP, "socket", 8000, ["/ready"], {"r1": "9000"})
    problem = _site.unreachable(site, settings_with(listen="tcp", port=9000), release)
    assert (problem is None) == fits


def test_users_ask_at_the_names_of_the_site(paths: AppPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_site, "EDGE", tmp_path)
    old = settings_with(domain="old.lab")
    assert (_site.hosts(paths, old), _site.redirects(paths, old)) == (["old.lab"], [])
    (tmp_path / "sites").mkdir()
    _site.site_file("shop", tmp_path).write_text(Site(BOTH, "socket").record())
    assert (_site.hosts(paths, old), _site.redirects(paths, old)) == (["shop.lab"], ["www.shop.lab"])
