"""What runs compared with what was recorded: what differs is named, and no value is shown."""

import hashlib
import shutil
from collections.abc import Callable

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import Ledger
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.snapshot import observe
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.drift import RECORDED, Drift, findings
from fakes import IMAGE, digest_of, service
from fakes_host import SECRET, Host

HIDDEN = "hidden-value-of-somebody"


def drift(host: Host) -> Drift:
    """Compare, and see that comparing shows no value and changes nothing."""
    before = host.files()
    found = findings(host.paths, observe(host.paths))
    assert (host.files(), host.engine.told) == (before, [])
    for value in (SECRET, HIDDEN):
        assert value not in str(found)
    return found


@pytest.fixture
def recorded(host: Host) -> Host:
    """`r2` serves, and provisioning noted a file of the edge and one of the data services."""
    host.serves("v1", "v2")
    for directory, name in (("edge", "Caddyfile"), ("shop/data", "compose.yaml")):
        root = host.paths.config_root / directory
        root.mkdir(exist_ok=True)
        (root / name).write_text("as it was written\n")
        checksum = hashlib.sha256(b"as it was written\n").hexdigest()
        (root / RECORDED).write_text(f"{checksum}  {root / name}\n")
    host.engine.projects = {
        "edge": [service("edge", "caddy", Health=None)],
        "shop-data": [service("shop-data", "postgres"), service("shop-data", "redis")],
    }
    return host


def test_nothing_differs(recorded: Host) -> None:
    assert drift(recorded) == Drift()


def test_where_nothing_was_ever_deployed_nothing_differs(host: Host) -> None:
    assert drift(host) == Drift()


def edits_compose(host: Host) -> None:
    (host.paths.bundle("r2") / "compose.yaml").write_text("services: {edited: {}}\n")


def edits_secret(host: Host) -> None:
    file = host.paths.bundle("r2") / "secrets" / "database_password"
    file.chmod(0o600)
    file.write_text(HIDDEN)


def removes_environment(host: Host) -> None:
    (host.paths.bundle("r2") / "app.env").unlink()


def adds_override(host: Host) -> None:
    (host.paths.bundle("r2") / "compose.override.yaml").write_text("services: {}\n")


def removes_container(host: Host) -> None:
    del host.engine.present["r2"]


def runs_another_image(host: Host) -> None:
    host.engine.present["r2"]["Config"]["Image"] = f"{IMAGE}:latest"


def made_container_anew(host: Host) -> None:
    host.engine.present["r2"]["Id"] = "container-other"


def changes_variables(host: Host) -> None:
    host.engine.present["r2"]["Config"]["Env"] = [f"LOG_LEVEL={HIDDEN}", "RELEASE=r2", "EXTRA=x"]


def garbles_route(host: Host) -> None:
    host.paths.route.write_text("../garbage\n")


def removes_route(host: Host) -> None:
    host.paths.route.unlink()


def removes_bundle(host: Host) -> None:
    shutil.rmtree(host.paths.bundle("r2"))


def garbles_record(host: Host) -> None:
    (host.paths.bundle("r2") / "release.json").write_text("{")


def forgets_release(host: Host) -> None:
    ledger = Ledger(host.paths)
    ledger.releases.pop()
    ledger.save()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (edits_compose, ["{bundle}/compose.yaml was edited"]),
        (edits_secret, ["{bundle}/secrets/database_password was edited"]),
        (removes_environment, ["{bundle}/app.env was removed"]),
        (adds_override, ["{bundle}/compose.override.yaml was added"]),
        (removes_container, ["the container of r2 is gone"]),
        (runs_another_image, [f"the container of r2 runs {IMAGE}:latest instead of {IMAGE}@{digest_of('v2')}"]),
        (made_container_anew, ["the container of r2 is another one than the one that was put into service"]),
        (changes_variables, ["in the container of r2, these variables differ from its bundle: LOG_LEVEL"]),
        (garbles_route, ["the route says '../garbage', which is no release's id"]),
        (removes_route, ["the route is missing"]),
        (removes_bundle, ["{bundle} is damaged or gone, which r2 runs from"]),
        (garbles_record, ["{bundle} is damaged or gone, which r2 runs from"]),
        (forgets_release, ["the route names r2, which is not in the record of releases"]),
    ],
)
def test_drift_that_a_deploy_repairs(recorded: Host, change: Callable[[Host], None], found: list[str]) -> None:
    change(recorded)
    bundle = recorded.paths.bundle("r2")
    assert drift(recorded) == Drift(of_release=[sentence.format(bundle=bundle) for sentence in found])


def edits_edge(host: Host) -> None:
    (host.paths.config_root / "edge" / "Caddyfile").write_text(HIDDEN)


def removes_data(host: Host) -> None:
    (host.paths.home / "data" / "compose.yaml").unlink()


def stops_edge(host: Host) -> None:
    host.engine.projects["edge"] = [service("edge", "caddy", Running=False, Status="exited")]


def data_is_unhealthy(host: Host) -> None:
    host.engine.projects["shop-data"][1]["State"]["Health"]["Status"] = "unhealthy"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (edits_edge, ["{root}/edge/Caddyfile was edited"]),
        (removes_data, ["{root}/shop/data/compose.yaml was removed"]),
        (stops_edge, ["edge-caddy-1 is exited"]),
        (data_is_unhealthy, ["shop-data-redis-1 is unhealthy"]),
    ],
)
def test_drift_that_provisioning_repairs(recorded: Host, change: Callable[[Host], None], found: list[str]) -> None:
    change(recorded)
    assert drift(recorded) == Drift(of_host=[sentence.format(root=recorded.paths.config_root) for sentence in found])


def test_all_of_it_together(recorded: Host) -> None:
    for change in (edits_compose, changes_variables, edits_edge, stops_edge):
        change(recorded)
    found = drift(recorded)
    assert (len(found.of_release), len(found.of_host)) == (2, 2)
    assert found.all == found.of_release + found.of_host


@pytest.mark.parametrize("value", ["", "a=b", 'quote"s $x', "lines\nof text"])
def test_variables_are_compared_as_the_app_sees_them(host: Host, value: str) -> None:
    host.serves("v1", environment={"VALUE": value})
    assert f"VALUE={value}" in host.engine.present["r1"]["Config"]["Env"]
    assert drift(host) == Drift()
