"""The live release is asked as users ask it, and all that is wrong is told at once."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._probe import Answer
from ansible_collections.fairlead.fastapi.plugins.modules.release_smoke import smoke
from fakes import fails, good
from fakes_host import SETTINGS, Host


@pytest.mark.parametrize(
    ("settings", "replies", "asked"),
    [
        ({}, [good("r1")], ["/health", "/ready", "/docs"]),
        ({"docs_path": ""}, [good("r1")], ["/health", "/ready"]),
        ({"identity": "none"}, [Answer(200)], ["/health", "/ready", "/docs"]),
        # Only the readiness answer has the key.
        ({"identity": "json:release"}, [Answer(200), Answer(200, {}, '{"release": "r1"}'), Answer(200)], ["/health", "/ready", "/docs"]),
    ],
)
def test_all_is_well(host: Host, settings: dict[str, str], replies: list[Answer], asked: list[str]) -> None:
    host.serves("v1", settings={**SETTINGS, **settings})
    host.answers.public = replies
    result = smoke(host.stage(authority=None))
    assert host.answers.asked == asked
    assert result["checks"] == [f"https://shop.lab{path}: HTTP 200" for path in asked]
    assert result["changed"] is False


def test_all_that_is_wrong_is_told_at_once(host: Host) -> None:
    host.serves("v1")
    host.answers.public = [good("r1"), Answer(error="SSLCertVerificationError: expired"), good("r9")]
    with fails("SMOKE_FAILED") as caught:
        smoke(host.stage(authority=None))
    assert caught.value.what == "2 of 3 checks failed"
    assert caught.value.details == [
        "https://shop.lab/ready: SSLCertVerificationError: expired",
        "https://shop.lab/docs: HTTP 200, but from release r9 instead of r1 (header:X-Release)",
    ]


def test_nothing_is_live(host: Host) -> None:
    with fails("NOTHING_LIVE"):
        smoke(host.stage(authority=None))
