"""What is wrong with variables is said in words that tell where to mend it."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils import _input

INVENTORY = "in your inventory (group_vars/all/main.yml)"
VAULT = "in your inventory, its values in the vault (group_vars/all/vault.yml)"


@pytest.mark.parametrize(
    ("name", "option", "defined", "message"),
    [
        ("image_tag", {}, [], "image_tag is not set: pass -e image_tag=<tag>"),
        ("app_name", {}, ["app_domain"], f"app_name is not set: set app_name {INVENTORY}"),
        (
            "app_domain",
            {},
            ["app_domian"],
            f"app_domain is not set (you have app_domian: a slip?): set app_domain {INVENTORY}",
        ),
        ("app_image", {}, ["app_images", "app_name"], f"app_image is not set (you have app_images: a slip?): set app_image {INVENTORY}"),
        ("app_secrets", {}, [], f"app_secrets is not set: set app_secrets {VAULT}"),
        ("app_token", {"no_log": True}, [], f"app_token is not set: set app_token {VAULT}"),
    ],
)
def test_missing(name: str, option: dict[str, Any], defined: list[str], message: str) -> None:
    assert _input.missing(name, option, defined) == message


KNOWN = ["app_release_keep", "app_release_memory", "app_release_cpus"]


@pytest.mark.parametrize(
    ("defined", "messages"),
    [
        ([], []),
        (["app_release_keep", "app_name", "other"], []),
        (["app_release_kep"], ["app_release_kep is not an option; did you mean app_release_keep?"]),
        (["app_release_zzz"], ["app_release_zzz is not an option"]),
    ],
)
def test_unknown(defined: list[str], messages: list[str]) -> None:
    problems = _input.unknown("app_release_", KNOWN, defined)
    assert [p.partition("; did")[0] if "zzz" in p else p for p in problems] == messages


@pytest.mark.parametrize(
    ("values", "beginnings"),
    [
        ({"image_tag": "v1", "app_name": "shop", "app_env": {"A": "1"}}, []),
        ({"image_tag": "latest"}, ["image_tag: 'latest' is a moving name"]),
        ({"image_tag": "latest", "app_name": "Shop"}, ["image_tag: ", "app_name: 'Shop' is not a valid app name"]),
        ({"app_secrets": {"a b": "s3cr3t"}}, ["app_secrets: not valid as names: 'a b'"]),
        ({"not_an_option": "latest"}, []),
    ],
)
def test_broken_rules(values: dict[str, Any], beginnings: list[str]) -> None:
    options: dict[str, Any] = {name: {} for name in _input.RULES}
    problems = _input.broken_rules(values, options)
    assert [p.startswith(b) for p, b in zip(problems, beginnings, strict=True)] == [True] * len(beginnings)
    assert "s3cr3t" not in str(problems)


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ({"app_release_user": "0:0"}, True),
        ({"app_release_user": "00:20001"}, True),
        ({"app_release_user": "0:0", "app_release_root_user": False}, True),
        ({"app_release_user": "0:0", "app_release_root_user": "false"}, True),
        ({"app_release_user": "0:0", "app_release_root_user": True}, False),
        ({"app_release_user": "0:0", "app_release_root_user": "yes"}, False),
        ({"app_release_user": "10001:0"}, False),
        ({}, False),
    ],
)
def test_root_needs_an_explicit_word(values: dict[str, Any], refused: bool) -> None:
    problems = _input.broken_rules(values, {"app_release_user": {}, "app_release_root_user": {}})
    assert bool(problems) is refused
    assert all("app_release_root_user" in problem for problem in problems)


def test_a_rule_holds_only_where_the_role_has_the_option() -> None:
    assert _input.broken_rules({"image_tag": "latest"}, {"app_name": {}}) == []
