"""Which input is fit: each rule as a table."""

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared import rules as rules

Rule = Callable[[object], str | None]

FIT: list[tuple[Rule, list[object]]] = [
    (rules.tag_problem, ["v1", "3f2c1ab", "1.2.3-rc.1", "2026_01_31", "_x", "V1", "latest-1", "a" * 128]),
    (rules.app_name_problem, ["shop", "a", "shop-2", "s" * 30]),
    (rules.domain_problem, ["shop.example.com", "localhost", "a-b.c", "xn--bcher-kva.example", "1.example.com"]),
    (rules.image_problem, ["shop", "acme/shop", "registry.lab:5000/shop/api", "ghcr.io/a/b_c/d--e", "localhost/x"]),
    (rules.identity_problem, ["none", "header:X-Release", "json:release"]),
    (rules.user_problem, ["10001:20001", "0:0"]),
    (rules.names_problem, [{}, {"DATABASE_HOST": 1, "_x": None, "a1": ""}]),
]
UNFIT: list[tuple[Rule, list[tuple[Any, str]]]] = [
    (
        rules.tag_problem,
        [
            (None, "no tag was given"),
            ("", "no tag was given"),
            ("latest", "moving name"),
            ("Latest", "moving name"),
            ("main", "moving name"),
            ("production", "moving name"),
            (1.10, "1.1 is not a string; quote it"),
            (3, "quote it"),
            (["v1"], "quote it"),
            (False, "quote it"),
            ("v1;touch x", "not a valid image tag"),
            ("$(id)", "not a valid image tag"),
            ("`id`", "not a valid image tag"),
            ("-x", "not a valid image tag"),
            (".x", "not a valid image tag"),
            ("v1\n", "not a valid image tag"),
            (" v1", "not a valid image tag"),
            ("v1@sha256:00", "not a valid image tag"),
            ("a/b", "not a valid image tag"),
            ("vé", "not a valid image tag"),
            ("{{ 1 }}", "not a valid image tag"),
            ("a" * 129, "not a valid image tag"),
            ("a" * 300, "…"),
        ],
    ),
    (
        rules.app_name_problem,
        [
            ("", "not a valid app name"),
            ("Shop", "not a valid app name"),
            ("1shop", "not a valid app name"),
            ("shop_api", "not a valid app name"),
            ("../shop", "not a valid app name"),
            ("s" * 31, "not a valid app name"),
            ("shop\n", "not a valid app name"),
            (7, "not a valid app name"),
            ("edge", "reserved"),
            *((name, "reserved") for name in ("bridge", "default", "host", "none")),  # networks that Docker has by itself
            ("shop-data", "reserved"),  # what the data services of `shop` are called
        ],
    ),
    (
        rules.domain_problem,
        [(bad, "not a host name") for bad in ("", "https://a.b", "a.b:443", "a.b/x", "A.b", "-a.b", "a..b", "a b", 1)]
        + [("a" * 254, "not a host name")],
    ),
    (
        rules.image_problem,
        [(bad, "not an image repository") for bad in ("", "acme/Shop", "a/b:v1", "a/b@sha256:0", "https://a/b", "a b", 1)],
    ),
    (
        rules.identity_problem,
        [(bad, "none of header:NAME") for bad in ("", "header:", "header", "json:a b", "cookie:x", "None", None)],
    ),
    (
        rules.user_problem,
        [(bad, "not UID:GID in numbers") for bad in ("", "app", "app:app", "10001", "1:2:3", "-1:0", 10001, None)],
    ),
    (
        rules.environment_problem,
        [
            ({"../x": 1}, "'../x'"),
            ({"BIND": "0.0.0.0:80", "A": 1}, "BIND (set app_listen)"),
            ({"REQUEST_TIMEOUT_SECONDS": 5}, "set app_release_request_seconds"),
        ],
    ),
    (
        rules.names_problem,
        [(["A"], "list found"), ("A=b", "str found"), ({"A-B": 1, "OK": 1, "1A": 1}, "'1A', 'A-B'"), ({"../x": 1}, "'../x'")],
    ),
]


@pytest.mark.parametrize(("rule", "value"), [(rule, value) for rule, values in FIT for value in values])
def test_fit(rule: Rule, value: object) -> None:
    assert rule(value) is None


@pytest.mark.parametrize(("rule", "value", "why"), [(rule, *case) for rule, cases in UNFIT for case in cases])
def test_unfit(rule: Rule, value: object, why: str) -> None:
    problem = rule(value)
    assert problem is not None
    assert why in problem
    assert len(problem) < 250, "a message must stay readable, whatever was given"


ENGINE_SAID = "Error response from daemon: "


@pytest.mark.parametrize(
    ("stderr", "code"),
    [
        ("manifest for registry.lab:5000/shop/api:v9 not found: manifest unknown: manifest unknown", "IMAGE_NOT_FOUND"),
        ("name unknown: repository name not known to registry", "IMAGE_NOT_FOUND"),
        ('Head "https://registry.lab:5000/v2/shop/api/manifests/v1": no basic auth credentials', "REGISTRY_AUTH"),
        ('Head "https://r/v2/x/manifests/v1": unauthorized: authentication required', "REGISTRY_AUTH"),
        ("pull access denied for acme/shop, repository does not exist or may require 'docker login'", "REGISTRY_AUTH"),
        ('Get "https://registry.lab:5000/v2/": dial tcp 172.20.0.2:5000: connect: connection refused', "REGISTRY_UNREACHABLE"),
        ('Get "https://nowhere.lab/v2/": dial tcp: lookup nowhere.lab: no such host', "REGISTRY_UNREACHABLE"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "REGISTRY_UNREACHABLE"),
        ('Get "https://r/v2/": net/http: TLS handshake timeout', "REGISTRY_UNREACHABLE"),
        ("net/http: request canceled (Client.Timeout exceeded while awaiting headers)", "REGISTRY_UNREACHABLE"),
        ("write /var/lib/docker/tmp/GetImageBlob1: no space left on device", "DISK_SPACE"),
        ("toomanyrequests: You have reached your pull rate limit", "PULL_FAILED"),
        ("", "PULL_FAILED"),
    ],
)
def test_pull_error_code(stderr: str, code: str) -> None:
    assert rules.pull_error_code(ENGINE_SAID + stderr) == code


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("registry.lab:5000/shop/api", "registry.lab:5000"),
        ("ghcr.io/acme/shop", "ghcr.io"),
        ("localhost/shop", "localhost"),
        ("acme/shop", "https://index.docker.io/v1/"),
        ("shop", "https://index.docker.io/v1/"),
        ("docker.io/acme/shop", "https://index.docker.io/v1/"),
    ],
)
def test_where_credentials_belong(image: str, registry: str) -> None:
    assert rules.registry_of(image) == registry
