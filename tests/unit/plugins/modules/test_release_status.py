"""What is live is told as it is, and nothing is changed by asking."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.modules.release_status import status
from fakes import BUSY, container, good
from fakes_host import Host


def test_nothing_is_live(host: Host) -> None:
    told = status(host.stage())
    assert (told["live"], told["health"], told["previous"], told["lease"]) == (None, "nothing is live", None, None)


def test_all_is_told_and_nothing_changed(host: Host) -> None:
    host.serves("v1", "v2")
    host.holds("run0", "bob@ci")
    host.answers.direct = [good("r2")]
    before = host.files()
    told = status(host.stage())
    assert (told["live"]["id"], told["previous"]["id"], told["health"]) == ("r2", "r1", "ready")
    assert [release["id"] for release in told["releases"]] == ["r2", "r1"]
    assert told["lease"]["owner"] == "bob@ci"
    assert (host.files(), host.engine.told) == (before, [])


@pytest.mark.parametrize(
    ("present", "health"),
    [
        ({}, "its container is gone"),
        ({"r1": container("r1", Running=False, Status="exited", ExitCode=3)}, "its container is exited (exit code 3)"),
        ({"r1": container("r1")}, 'HTTP 503 {"status": "not ready"}'),
    ],
)
def test_what_is_wrong_with_the_live_release(host: Host, present: dict[str, Any], health: str) -> None:
    host.serves("v1")
    host.engine.present = present
    host.answers.direct = [BUSY]
    assert status(host.stage())["health"] == health
