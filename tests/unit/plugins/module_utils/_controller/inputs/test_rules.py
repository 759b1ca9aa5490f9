"""Which input is fit: each rule as a table."""

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.inputs import rules
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared import domains

Rule = Callable[[object], str | None]

FIT: list[tuple[Rule, list[object]]] = [
    (rules.tag_problem, ["v1", "3f2c1ab", "1.2.3-rc.1", "2026_01_31", "_x", "V1", "latest-1", "a" * 128]),
    (rules.digest_problem, ["", None, "sha256:" + "0a" * 32]),
    (rules.app_name_problem, ["shop", "a", "shop-2", "s" * 30]),
    (domains.host_name_problem, ["shop.example.com", "localhost", "a-b.c", "xn--bcher-kva.example", "1.example.com"]),
    (rules.image_problem, ["shop", "acme/shop", "registry.lab:5000/shop/api", "ghcr.io/a/b_c/d--e", "localhost/x"]),
    (rules.identity_problem, ["none", "header:X-Release", "json:release"]),
    (rules.user_problem, ["10001:20001", "0:0"]),
    (rules.names_problem, [{}, {"DATABASE_HOST": 1, "_x": None, "a1": ""}]),
]
UNFIT: list[tuple[Rule, list[tuple[Any, str]]]] = [
    (
        rules.digest_problem,
        [
            ("sha256:12", "is not a digest"),
            ("0a" * 32, "is not a digest"),
            ("sha256:" + "0A" * 32, "is not a digest"),
            ("sha512:" + "0a" * 64, "is not a digest"),
            ("sha256:" + "0a" * 32 + "\n", "is not a digest"),
            (5, "is not a digest"),
        ],
    ),
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
        domains.host_name_problem,
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
