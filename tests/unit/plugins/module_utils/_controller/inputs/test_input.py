"""What is wrong with variables is said in words that tell where to mend it."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.inputs import checks

INVENTORY = "in your inventory (group_vars/all/main.yml)"
VAULT = "in your inventory, its values in the vault (group_vars/all/vault.yml)"


@pytest.mark.parametrize(
    ("name", "option", "defined", "message"),
    [
        ("image_tag", {"playbook": True}, [], "image_tag is not set: pass -e image_tag=<tag>"),
        ("maintenance", {"playbook": True, "type": "bool"}, [], "maintenance is not set: pass -e maintenance=on or -e maintenance=off"),
        ("release", {"playbook": True}, [], "release is not set: pass -e release=…"),
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
    assert checks.missing(name, option, defined) == message


@pytest.mark.parametrize(
    ("name", "option", "said"),
    [
        ("app_port", {"place": "in hosts.yml, line 3"}, "it is set in hosts.yml, line 3"),
        ("app_port", {"place": "with -e"}, "it is set with -e"),
        ("app_secrets", {"place": "in a.yml, line 3"}, "it is set in a.yml, line 3, its values in the vault (group_vars/all/vault.yml)"),
        ("image_tag", {"place": "with -e", "playbook": True}, "pass -e image_tag=<tag>"),
    ],
)
def test_where(name: str, option: dict[str, Any], said: str) -> None:
    assert checks.where(name, option) == said


KNOWN = ["app_release_keep", "app_release_memory", "app_release_cpus"]


@pytest.mark.parametrize(
    ("defined", "messages"),
    [
        ({}, []),
        ({"app_release_keep": "", "other": ""}, []),
        ({"app_release_kep": ""}, ["app_release_kep is not an option; did you mean app_release_keep?"]),
        (
            {"app_release_kep": "in a.yml, line 3"},
            ["app_release_kep is not an option; did you mean app_release_keep? (set in a.yml, line 3)"],
        ),
        ({"app_zzz": ""}, ["app_zzz is not an option"]),
        ({"app_zzz": "in a.yml, line 3"}, ["app_zzz is not an option (set in a.yml, line 3)"]),
    ],
)
def test_unknown(defined: dict[str, str], messages: list[str]) -> None:
    assert list(checks.unknown(["app_"], KNOWN, defined).values()) == messages


def test_misspelt() -> None:
    assert checks.misspelt(["backup"], ["backup"], ["backup"], ["bakcup", "own"]) == {
        "bakcup": "bakcup is not an option; did you mean -e backup=…?"
    }


EXPOSED = {"app_env": {"API_TOKEN": "s3cr3t"}, "app_release_migrate_env": {"DB_PASSWORD": "s3cr3t"}}


def test_credentials_in_environments_are_refused_with_the_way_out() -> None:
    first, second = checks.broken_rules(EXPOSED, {name: {} for name in EXPOSED})
    assert first.startswith("app_env.API_TOKEN looks like a credential") and "move it to app_secrets" in first
    assert "app_env_public: [API_TOKEN]" in first and "app_release_secrets_as: environment" in first
    assert second.startswith("app_release_migrate_env.DB_PASSWORD looks like") and "move it to app_release_migrate_secrets" in second
    assert "s3cr3t" not in first + second


def test_a_value_declared_public_is_accepted() -> None:
    values = {**EXPOSED, "app_env_public": ["API_TOKEN", "DB_PASSWORD"]}
    assert checks.broken_rules(values, {name: {} for name in values}) == []


RESTIC = {"db_backup_restic_repository": "/backups", "db_backup_restic_password": ""}


def test_copies_off_the_host_need_a_password() -> None:
    (problem,) = checks.broken_rules(RESTIC, {name: {} for name in RESTIC})
    assert "db_backup_restic_password is not: set it from the vault" in problem
    assert checks.broken_rules({**RESTIC, "db_backup_restic_password": "x"}, {name: {} for name in RESTIC}) == []


@pytest.mark.parametrize(
    ("values", "beginnings"),
    [
        ({"image_tag": "v1", "app_name": "shop", "app_env": {"A": "1"}}, []),
        ({"image_tag": "latest"}, ["image_tag: 'latest' is a moving name"]),
        ({"image_tag": "latest", "app_name": "Shop"}, ["image_tag: ", "app_name: 'Shop' is not a valid app name"]),
        ({"app_secrets": {"a b": "s3cr3t"}}, ["app_secrets: not valid as names: 'a b'"]),
    ],
)
def test_broken_rules(values: dict[str, Any], beginnings: list[str]) -> None:
    options: dict[str, Any] = {name: {} for name in checks.RULES}
    problems = checks.broken_rules(values, options)
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
def test_root_needs_an_explicit_option(values: dict[str, Any], refused: bool) -> None:
    problems = checks.broken_rules(values, {"app_release_user": {}, "app_release_root_user": {}})
    assert bool(problems) is refused
    assert all("app_release_root_user" in problem for problem in problems)


def test_a_rule_holds_only_where_the_role_has_the_option() -> None:
    assert checks.broken_rules({"image_tag": "latest"}, {"app_name": {}}) == []
