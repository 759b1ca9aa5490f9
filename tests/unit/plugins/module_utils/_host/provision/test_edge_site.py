"""A site is written whole, when the proxy would start with it and no other app has its names, or not at all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base import command
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import site as _site
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import site_write
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.provision import edge_site
from fakes import fails, service
from fakes_host import Host, settings_with, tree

OTHER = "# Ansible managed\nother.lab {\n}\n"


class Proxy:
    """The proxy's image: it refuses a configuration that has one of `refused` anywhere."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.read: list[dict[str, str]] = []
        self.restarted: list[str] = []

    def run(self, arguments: Sequence[str], seconds: float = 60.0) -> Finished:
        if "restart" in arguments:
            self.restarted.append(arguments[-1])
            return Finished(0, "", "")
        assert {"--network=none", "--pull=never", "--rm"} <= set(arguments)
        mounted = next(word for word in arguments if word.startswith("--volume="))
        directory = Path(mounted.removeprefix("--volume=").removesuffix(":/etc/caddy:ro"))
        self.read.append({str(f.relative_to(directory)): f.read_text() for f in directory.rglob("*") if f.is_file()})
        wrong = [word for word in self.refused if any(word in text for text in self.read[-1].values())]
        return Finished(1, "", f"{{}}\nError: {wrong[0]} is refused\n") if wrong else Finished(0, "", "")


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    fake = Proxy()
    monkeypatch.setattr(command, "run", fake.run)
    (tmp_path / "validating").mkdir()
    monkeypatch.setattr(site_write, "TEMPORARY", str(tmp_path / "validating"))
    return fake


@pytest.fixture
def etc(tmp_path: Path, host: Host) -> Path:
    """The proxy's configuration, with the site of another app that an earlier version of the collection wrote."""
    directory = tmp_path / "edge"
    for name in ("sites", "certificates"):
        (directory / name).mkdir(parents=True)
    (directory / "Caddyfile").write_text("import sites/*.caddy\n")
    (directory / "sites" / "other.caddy").write_text(OTHER)
    host.engine.images.add("caddy:2.11")
    return directory


def provision(host: Host, etc: Path, *names: str, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    """Write the site of the app `shop`."""
    given = {
        "app": "shop",
        "domains": [{"name": name, "redirect": False, "path": "/"} for name in names or ("shop.lab",)],
        "listen": "socket",
        "port": 8000,
        "open_paths": ["/ready"],
        "site": "shop.lab {\n}\n",
        "certificate": "",
        "key": "",
        "image": "caddy:2.11",
        "owner": etc.stat().st_uid,
    }
    return edge_site.work({**given, **options}, host.paths, etc, check_mode)


def test_the_whole_configuration_is_read_before_the_site_is_written(host: Host, etc: Path, proxy: Proxy, tmp_path: Path) -> None:
    result = provision(host, etc, certificate="CERTIFICATE", key="KEY")
    assert (result["changed"], result["served"]) == (True, ["shop.lab"])
    assert set(proxy.read[0]) == {"Caddyfile", "sites/other.caddy", "sites/shop.caddy", "certificates/shop.pem"}
    assert proxy.read[0]["sites/shop.caddy"].endswith("\nshop.lab {\n}\n")
    assert (etc / "sites" / "shop.caddy").read_text() == proxy.read[0]["sites/shop.caddy"]
    assert (etc / "certificates" / "shop.pem").read_text() == "CERTIFICATE\nKEY\n"
    assert "KEY" not in str(result["diff"])
    assert not list((tmp_path / "validating").iterdir())
    assert provision(host, etc, certificate="CERTIFICATE", key="KEY")["changed"] is False


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_the_proxy_refuses_is_not_written(host: Host, etc: Path, proxy: Proxy, check_mode: bool) -> None:
    provision(host, etc)
    proxy.refused = ["nonsense"]
    before = tree(etc)
    with fails("PROXY_CONFIG") as caught:
        provision(host, etc, site="shop.lab {\n\tnonsense\n}\n", certificate="C", key="K", check_mode=check_mode)
    assert caught.value.what.startswith("Error: nonsense is refused. ")
    assert "edge_proxy_*" in caught.value.todo
    assert tree(etc) == before


def test_another_apps_broken_site_is_not_blamed_on_this_one(host: Host, etc: Path, proxy: Proxy) -> None:
    proxy.refused = ["other.lab"]
    with fails("PROXY_CONFIG") as caught:
        provision(host, etc)
    assert "what is on this host already" in caught.value.what
    assert not (etc / "sites" / "shop.caddy").exists()


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("names", [["other.lab"], ["shop.lab", "other.lab"], ["shop.lab", "*.lab"]])
@pytest.mark.parametrize("site", ["", "shop.lab {\n}\n"])
def test_a_name_of_another_app_is_refused(host: Host, etc: Path, proxy: Proxy, names: list[str], check_mode: bool, site: str) -> None:
    before = tree(etc)
    with fails("DOMAIN_TAKEN") as caught:
        provision(host, etc, *names, check_mode=check_mode, site=site)
    assert "a name of the app other" in caught.value.what
    assert "app_domains" in caught.value.todo
    assert (tree(etc), proxy.read) == (before, [])


def test_check_mode_writes_nothing(host: Host, etc: Path, proxy: Proxy) -> None:
    before = tree(etc)
    assert provision(host, etc, check_mode=True)["changed"] is True
    assert (tree(etc), len(proxy.read)) == (before, 1)
    host.engine.images.clear()
    assert provision(host, etc, check_mode=True)["changed"] is True, "without the image, nothing is fetched to ask"
    assert len(proxy.read) == 1


def test_a_certificate_and_its_key_are_replaced_at_once(host: Host, etc: Path, proxy: Proxy) -> None:
    for name in ("shop.crt", "shop.key"):
        (etc / "certificates" / name).write_text("of an earlier version of the collection\n")
    provision(host, etc, certificate="C", key="K")
    assert [file.name for file in (etc / "certificates").iterdir()] == ["shop.pem"]
    assert provision(host, etc)["changed"] is True
    assert list((etc / "certificates").iterdir()) == []


@pytest.mark.parametrize(
    ("earlier", "wanted", "found"),
    [
        ([{}, {}], {}, []),
        ([{"port": 9}], {}, []),
        ([{}, {}], {"listen": "tcp"}, [{"upstream": "socket", "releases": ["r1", "r2"]}]),
        ([{"listen": "tcp"}], {"listen": "tcp"}, []),
        ([{"listen": "tcp"}, {}], {}, [{"upstream": "8000", "releases": ["r1"]}]),
        (
            [{"listen": "tcp"}, {}, {"listen": "tcp", "port": 80}],
            {"listen": "tcp", "port": 80},
            [{"upstream": "8000", "releases": ["r1"]}, {"upstream": "socket", "releases": ["r2"]}],
        ),
    ],
)
def test_the_site_knows_the_releases_that_listen_otherwise(
    host: Host, etc: Path, proxy: Proxy, earlier: list[dict[str, Any]], wanted: dict[str, Any], found: list[dict[str, Any]]
) -> None:
    for number, settings in enumerate(earlier, 1):
        host.serves(f"v{number}", settings=settings_with(**settings))
    assert provision(host, etc, **wanted)["earlier"] == found
    site = _site.read_site("shop", etc)
    assert site is not None
    for number, settings in enumerate(earlier, 1):
        assert _site.unreachable(site, settings_with(**settings), f"r{number}") is None


def test_password_hashes_are_in_no_diff(host: Host, etc: Path, proxy: Proxy) -> None:
    old, new = (f"shop.lab {{\n\talice $2y$05${letter * 53}\n}}\n" for letter in "ab")
    provision(host, etc, site=old)
    diff = provision(host, etc, site=new)["diff"]
    assert "alice ********" in diff["before"] and "alice ********" in diff["after"]
    assert "$2y" not in str(diff)


def test_a_proxy_that_fails_at_each_start_reads_what_was_written_at_once(host: Host, etc: Path, proxy: Proxy) -> None:
    host.engine.projects["edge"] = [service("edge", "caddy")]
    provision(host, etc)
    assert proxy.restarted == []
    host.engine.projects["edge"] = [service("edge", "caddy", Restarting=True)]
    provision(host, etc, "new.lab")
    assert proxy.restarted == ["container-caddy"]
