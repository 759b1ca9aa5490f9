"""The live release is asked as users ask it, and all that is wrong is told at once."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import Answer
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages.release_smoke import run as smoke
from fakes import fails, good
from fakes_host import Host, settings_with


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
    host.serves("v1", settings=settings_with(**settings))
    host.answers.public = replies
    result = smoke(host.stage(authority=None))
    assert host.answers.asked == asked
    assert result["checks"] == [f"https://shop.lab{path}: HTTP 200" for path in asked]
    assert result["changed"] is False


def test_all_that_is_wrong_is_reported_at_once(host: Host) -> None:
    host.serves("v1")
    host.answers.public = [good("r1"), Answer(error="SSLCertVerificationError: expired"), good("r9")]
    with fails("SMOKE_FAILED") as caught:
        smoke(host.stage(authority=None))
    assert caught.value.what == "2 of 3 checks failed"
    assert caught.value.details == [
        "https://shop.lab/ready: SSLCertVerificationError: expired",
        "https://shop.lab/docs: HTTP 200, but from release r9 instead of r1 (header:X-Release)",
    ]


NAMES = ({"name": "shop.lab"}, {"name": "api.lab"}, {"name": "*.shop.lab"}, {"name": "www.lab", "redirect": True})


def test_each_name_is_asked_and_each_redirect_followed(host: Host) -> None:
    host.serves("v1", settings=settings_with(docs_path=""))  # its bundle knows nothing of the other names
    host.has_site(*NAMES)
    host.answers.public = [good("r1")] * 4 + [Answer(308, {"location": "https://shop.lab/ready?from=www.lab"})]
    checks = smoke(host.stage(authority=None))["checks"]
    assert checks == [
        *(f"https://{name}{path}: HTTP 200" for name in ("shop.lab", "api.lab") for path in ("/health", "/ready")),
        "https://www.lab/ready?from=www.lab: HTTP 308 to https://shop.lab/ready?from=www.lab",
    ]


@pytest.mark.parametrize("answer", [Answer(200), Answer(308, {"location": "https://shop.lab/"}), Answer(error="OSError: refused")])
def test_a_redirect_that_leads_elsewhere_is_reported(host: Host, answer: Answer) -> None:
    host.serves("v1", settings=settings_with(docs_path=""))
    host.has_site(NAMES[0], NAMES[3])
    host.answers.public = [good("r1"), good("r1"), answer]
    with fails("SMOKE_FAILED") as caught:
        smoke(host.stage(authority=None))
    assert [line.partition("?")[0] for line in caught.value.details] == ["https://www.lab/ready"]


def test_nothing_is_live(host: Host) -> None:
    with fails("NOTHING_LIVE"):
        smoke(host.stage(authority=None))
