"""What all stages share: they pick up what a dead run left, and they tell failures without secrets."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils import _stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import MASK, ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._ledger import write_route
from fakes import container, fails
from fakes_host import SECRET, Host


def test_a_run_that_died_before_the_switch_is_cleared_away(host: Host) -> None:
    host.serves("v1")
    host.prepared("v2")
    host.engine.present["r2"] = container("r2")
    host.stage(run="run2").open()
    assert (host.record("r2")["status"], host.record("r2")["reason"]) == ("failed", "INTERRUPTED")
    assert list(host.engine.present) == ["r1"]
    assert not host.paths.bundle("r2").exists()
    assert host.live == "r1"


def test_a_run_that_died_after_the_switch_is_believed(host: Host) -> None:
    host.serves("v1")
    host.prepared("v2")
    host.engine.present["r2"] = container("r2")
    write_route(host.paths, "r2")
    host.stage(run="run2").open()
    assert (host.record("r1")["status"], host.record("r2")["status"]) == ("kept", "live")
    assert host.paths.bundle("r2").is_dir()
    assert list(host.engine.present) == ["r1", "r2"]


def test_a_later_stage_needs_the_lease_of_its_run(host: Host) -> None:
    with fails("LEASE_LOST"):
        host.stage().resume()
    host.holds("run1")
    host.stage().resume()
    with fails("LEASE_LOST"):
        host.stage(run="run2").resume()


@pytest.mark.parametrize(
    ("given", "secret"),
    [
        ({"secrets": {"database_password": SECRET}}, SECRET),
        ({"secrets": {"pin": 123456, "none": None}}, "123456"),  # YAML made it a number
        ({"registry_password": "r3gistry"}, "r3gistry"),
        ({"release": "r1"}, SECRET),  # known only from the bundle
    ],
)
def test_a_failure_tells_everything_but_secrets(host: Host, given: dict[str, Any], secret: str) -> None:
    host.serves("v1")
    error = ReleaseError("APP_EXIT", f"exited: {secret}", "mend it", ["log:", f"connect with {secret} None"])
    result = _stage.failure(error, host.stage(**given))
    assert result["msg"].splitlines() == [
        f"APP_EXIT: exited: {MASK}",
        "Serving now: r1 (registry.lab:5000/shop/api:v1)",
        "To do: mend it",
        "Evidence:",
        "  log:",
        f"  connect with {MASK} None",
    ]
    assert (result["code"], result["serving"], result["steps"]) == ("APP_EXIT", "r1 (registry.lab:5000/shop/api:v1)", [])


def test_what_serves_is_told_also_when_the_record_is_damaged(host: Host) -> None:
    assert _stage.serving(host.paths) == "nothing (no release is live here)"
    host.serves("v1")
    host.paths.ledger.write_text("{")
    assert _stage.serving(host.paths) == "r1"


def test_a_stage_needs_a_provisioned_host(host: Host) -> None:
    host.paths.route.parent.rmdir()
    with fails("NOT_PROVISIONED"), host.stage().lock():
        pass
