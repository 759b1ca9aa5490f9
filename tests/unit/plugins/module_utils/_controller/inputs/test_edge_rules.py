"""The proxy's settings for an app: what their types do not say."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.inputs import edge_rules as rules

HASH = "$2y$05$" + "a" * 53


@pytest.mark.parametrize(
    ("rule", "value", "words"),
    [
        (rules.trusted_proxies_problem, ["10.0.0.0/8", "192.0.2.7", "fd00::/8"], []),
        (rules.trusted_proxies_problem, ["balancer.lab"], ["'balancer.lab' is not a network"]),
        (rules.trusted_proxies_problem, ["0.0.0.0/0", "::/0"], ["'0.0.0.0/0' is everybody", "'::/0' is everybody"]),
        (rules.headers_problem, {"X-Frame-Options": "DENY", "X-Number": 1}, []),
        (rules.headers_problem, {"X Frame": "DENY"}, ["'X Frame'"]),
        (rules.headers_problem, {"X-A": "a\r\nSet-Cookie: b", "X-B": "a ` b"}, ["'X-A'", "'X-B'"]),
        (rules.basic_auth_problem, [{"paths": ["/admin/*", "/x"], "users": {"alice": HASH}}], []),
        (rules.basic_auth_problem, [{"paths": ["admin"], "users": {"alice": HASH}}], ["'admin' is not a path"]),
        (rules.basic_auth_problem, [{"paths": ["/a {"], "users": {"alice": HASH}}], ["'/a {' is not a path"]),
        (rules.basic_auth_problem, [{"paths": ["/a"], "users": {"al ice": HASH}}], ["'al ice' is not valid as a user"]),
        (rules.basic_auth_problem, [{"paths": ["/a"], "users": {"alice": "hunter2"}}], ["set for alice is no bcrypt hash"]),
        (rules.basic_auth_problem, [{"paths": ["/a"], "users": {}}], ["each entry needs paths and users"]),
    ],
)
def test_values_of_the_right_type_that_are_wrong(rule: Any, value: object, words: list[str]) -> None:
    problem = rule(value) or ""
    assert [word in problem for word in words] == [True] * len(words)
    assert bool(problem) == bool(words)
    assert "hunter2" not in problem
