"""The names of an app: what is refused, and which of them another app has."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.inputs import checks
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared import domains as _domains


def names(*found: str) -> list[dict[str, Any]]:
    """Return names as they are recorded; one with an arrow redirects."""
    return _domains.normalised([{"name": name.lstrip(">"), "redirect": name.startswith(">")} for name in found])


@pytest.mark.parametrize(
    ("domains", "words"),
    [
        ([], []),
        ([{"name": "shop.example"}], []),
        ([{"name": "shop.example"}, {"name": "www.shop.example", "redirect": True}, {"name": "*.shop.example"}], []),
        ([{"name": "shop.example", "path": "/"}], []),
        ("shop.example, www.shop.example", ["must be a list"]),
        (["shop.example"], ["must be a list"]),
        ([{"redirect": True}], ["must be a list"]),
        ([{"name": "Shop.example"}], ["'Shop.example' is not a host name"]),
        ([{"name": "shop.example"}, {"name": "https://www.shop.example"}], ["'https://www.shop.example' is not a host name"]),
        ([{"name": "shop.example"}, {"name": "a.*.shop.example"}], ["'a.*.shop.example' is not a host name"]),
        ([{"name": "shop.example"}, {"name": "*"}], ["'*' is not a host name"]),
        ([{"name": "shop.example"}, {"name": "shop.example", "redirect": True}], ["'shop.example' is there 2 times"]),
        ([{"name": "shop.example", "redirect": True}], ["cannot redirect itself"]),
        ([{"name": "shop.example", "redirect": "yes"}], ["cannot redirect itself"]),
        ([{"name": "*.shop.example"}], ["must be a whole host name"]),
        (
            [{"name": "shop.example"}, {"name": "www.shop.example", "redirct": True}],
            ["'www.shop.example': redirct is none of name, redirect"],
        ),
        ([{"name": "shop.example", "path": "/api"}], ["path '/api' is not supported, only '/' is"]),
        (
            [{"name": "a b", "redirect": True}, {"name": "c", "path": "x"}],
            ["'a b' is not a host name", "path 'x'", "cannot redirect itself"],
        ),
    ],
)
def test_all_problems_with_names_are_reported_at_once(domains: Any, words: list[str]) -> None:
    problem = _domains.problem(domains) or ""
    assert [word in problem for word in words] == [True] * len(words)
    assert bool(problem) == bool(words)


WILD = [{"name": "shop.example"}, {"name": "*.shop.example"}]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"app_domain": "shop.example"}, []),
        ({"app_domains": WILD[:1]}, []),
        ({"app_domain": "", "app_domains": WILD[:1]}, []),
        ({"app_domain": "shop.example", "app_domains": WILD[:1]}, ["are both set"]),
        ({"app_domains": WILD}, ["*.shop.example gets no certificate"]),
        ({"app_domains": WILD, "edge_proxy_tls": "acme"}, ["*.shop.example gets no certificate"]),
        ({"app_domains": WILD, "edge_proxy_tls": "files"}, []),
        ({"app_domains": WILD, "edge_proxy_tls": "internal"}, []),
        ({}, ["app_domain is not set"]),
        ({"app_domain": ""}, ["app_domain is not set"]),
        ({"app_domain": None, "app_domains": []}, ["app_domain is not set"]),
    ],
)
def test_the_variables_together(values: dict[str, Any], words: list[str]) -> None:
    options: dict[str, Any] = {"app_domain": {}, "app_domains": {}, "edge_proxy_tls": {}}
    problems = checks.broken_rules(values, options) + checks.unnamed(values, options, values)
    assert [word in problem for word, problem in zip(words, problems, strict=True)] == [True] * len(words)


def test_a_name_that_could_not_be_worked_out_is_not_also_missing() -> None:
    assert checks.unnamed({}, {"app_domain": {}, "app_domains": {}}, ["app_domain"]) == []


@pytest.mark.parametrize(
    ("wanted", "others", "taken"),
    [
        (["shop.example"], {}, []),
        (["shop.example"], {"other": ["www.shop.example"]}, []),
        (["shop.example"], {"other": ["shop.example"]}, ["shop.example is a name of the app other"]),
        (["SHOP.example"], {"other": ["shop.Example"]}, ["shop.example is a name of the app other"]),
        (["a.example", ">shop.example"], {"other": ["b.example", ">shop.example"]}, ["shop.example is a name of the app other"]),
        (["*.example"], {"other": ["*.example"]}, ["*.example is a name of the app other"]),
        (["a.example"], {"other": ["*.example"]}, ["a.example and *.example, a name of the app other, cover the same host"]),
        (["*.example"], {"other": ["a.example"]}, ["*.example and a.example, a name of the app other, cover the same host"]),
        (["a.b.example"], {"other": ["*.example"]}, []),  # a wildcard stands for one label
        (["example"], {"other": ["*.example"]}, []),
        (["*.a.example"], {"other": ["*.example"]}, []),
        (["a.example", "b.example"], {"two": ["b.example"], "one": ["a.example"]}, ["a.example is a name of the app one", "b.example is"]),
    ],
)
def test_names_that_other_apps_have(wanted: list[str], others: dict[str, list[str]], taken: list[str]) -> None:
    found = _domains.taken(names(*wanted), {app: names(*has) for app, has in others.items()})
    assert [said.startswith(begin) for said, begin in zip(found, taken, strict=True)] == [True] * len(taken)


@pytest.mark.parametrize(
    ("settings", "served"),
    [
        ({"domain": "shop.example"}, ["shop.example"]),  # a release of an earlier version of the collection
        ({"domain": "a", "domains": [{"name": "a"}, {"name": "b", "redirect": True}, {"name": "*.a"}, {"name": "C"}]}, ["a", "c"]),
    ],
)
def test_the_names_in_the_settings_of_a_release(settings: dict[str, Any], served: list[str]) -> None:
    assert _domains.served(_domains.of_settings(settings)) == served
