"""Wrong input is refused on the controller, all at once, before anything is asked of a host."""

import json
import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.fairlead.fastapi.plugins.action.check_input import ActionModule
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.review import squawk, statements
from ansible_collections.fairlead.fastapi.plugins.plugin_utils._declared import Declared

ROOT = Path(__file__).parents[4]
SECRET = "s3cr3t-of-the-database"
HOSTILE = "{{ lookup('pipe', 'touch ' ~ marker) }}"


def check(directory: Path, variables: dict[str, Any], playbook: str = "deploy", inventory: str = "") -> dict[str, Any]:
    """Run the check of a playbook against localhost and return its result.

    Args:
        directory: for the play and its variables.
        variables: extra variables, as `-e` would set them.
        playbook: its name.
        inventory: text of a file with variables for all hosts.
    """
    task = {"name": "fairlead.fastapi.app_release", "tasks_from": "check"}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "connection": "local",
        "vars": {"__fairlead_playbook": playbook},
        "tasks": [{"ansible.builtin.import_role": task}],
    }
    (directory / "group_vars").mkdir()
    (directory / "group_vars" / "all.yml").write_text(inventory)
    (directory / "hosts").write_text("[data_hosts]\nlocalhost\n[edge_hosts]\nlocalhost\n")
    (directory / "play.yml").write_text(json.dumps([play]))
    (directory / "variables.json").write_text(json.dumps(variables))
    done = subprocess.run(
        ["ansible-playbook", "-i", str(directory / "hosts"), "-e", f"@{directory}/variables.json", str(directory / "play.yml")],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)["plays"][0]["tasks"][0]["hosts"]["localhost"]
    return result


def has_all(message: str, *words: str) -> None:
    """Check that a message has these words, each in one of its problems, and as many problems as it says."""
    head, *problems = message.splitlines()
    counted = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    assert head == f"CONFIG: {counted} in your variables; nothing was changed."
    for word in words:
        assert any(word in problem for problem in problems), f"{word} is not in:\n{message}"


GOOD = {
    "image_tag": "v1",
    "app_name": "shop",
    "app_image": "registry.lab:5000/shop/api",
    "app_domain": "shop.lab",
    "app_secrets": {"database_password": SECRET},
}


def test_good_input_gives_a_run_and_its_owner(tmp_path: Path) -> None:
    result = check(tmp_path, GOOD)
    assert (result["changed"], len(result["run"])) == (False, 8)
    assert "@" in result["owner"]


def test_all_that_is_wrong_comes_in_one_message(tmp_path: Path) -> None:
    marker = tmp_path / "rendered"
    wrong = {
        "image_tag": HOSTILE,
        "marker": str(marker),
        "app_name": "Shop",
        "app_domian": "shop.lab",
        "app_image": "registry.lab/shop:v1",
        "app_env": {"LOG-LEVEL": "info"},
        "app_secrets": SECRET,
        "app_release_keep": "many",
        "app_release_kep": 3,
        "app_release_memory": "{{ no_such_variable }}",
    }
    message = check(tmp_path, wrong)["msg"]
    has_all(
        message,
        "image_tag: an expression is not a tag: pass -e image_tag=<tag>",
        "app_name: 'Shop' is not a valid app name",
        "app_domain is not set (you have app_domian: a slip?)",
        "app_image: 'registry.lab/shop:v1' is not an image repository",
        "app_env: not valid as names: 'LOG-LEVEL'",
        "app_secrets",
        "app_release_keep",
        "app_release_kep is not an option; did you mean app_release_keep?",
        "app_release_memory cannot be worked out: 'no_such_variable' is undefined",
    )
    assert not marker.exists(), "a template in the tag was rendered"
    assert SECRET not in message


@pytest.mark.parametrize(
    ("values", "tag_needed", "missing"),
    [
        ({}, True, True),
        ({"app_release_migrate": True}, True, True),
        ({"app_release_migrate": "no"}, True, False),
        ({"app_release_migrate_lint": False}, True, False),
        ({}, False, False),  # a rollback judges no migration
    ],
)
def test_the_linter_is_missed_where_migrations_are_judged(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], tag_needed: bool, missing: bool
) -> None:
    options = {name: {"type": "bool", "default": True} for name in ("app_release_migrate", "app_release_migrate_lint")}
    options |= {"image_tag": {"type": "str"}} if tag_needed else {}
    monkeypatch.setattr(squawk, "find", lambda: "/bin/squawk")
    assert ActionModule._linter_problems(values, options) == []
    monkeypatch.setattr(squawk, "find", lambda: None)
    monkeypatch.setattr(statements, "pglast", None)
    assert ActionModule._linter_problems(values, options) == ([squawk.MISSING, statements.MISSING] if missing else [])


@pytest.mark.parametrize("tag", ["{{ 1 }}", "v{% set x = 1 %}1", "{# c #}v1"])
def test_whatever_looks_like_a_template_is_refused_as_it_was_written(tag: str) -> None:
    action = ActionModule.__new__(ActionModule)
    action._templar = SimpleNamespace()  # rendering would fail
    options = {"image_tag": {"type": "str", "playbook": True}}
    declared = Declared(options, {}, frozenset(options), ("app_",), frozenset(options))
    problems = action._problems(declared, {"image_tag": tag}, [])
    assert problems == ["image_tag: an expression is not a tag: pass -e image_tag=<tag>"]


SERVICES = {f"data_services_{name}_password": name for name in ("postgres", "postgres_migrator", "redis")}


def test_provisioning_checks_the_variables_of_all_roles(tmp_path: Path) -> None:
    wrong = {
        "edge_proxy_tls": "internl",
        "edge_proxy_tsl": "internal",
        "docker_engine_hodl": True,
        "docker_engine_log_max_files": "some",
        "db_backup_enabeld": True,
        "db_backup_restic_repository": "/backups",
        "data_services_redis_memory": 256,
        "data_services_postgres_migrator_settings": {"lock_timeout": 5},
        "bakcup": "x",
    }
    result = check(tmp_path, {**GOOD, **SERVICES, **wrong}, "provision")
    has_all(
        result["msg"],
        "edge_proxy_tls: 'internl' is none of acme, files, internal; did you mean internal?",
        "edge_proxy_tsl is not an option; did you mean edge_proxy_tls?",
        "docker_engine_hodl is not an option; did you mean docker_engine_hold?",
        "docker_engine_log_max_files: 'some' is not a whole number",
        "db_backup_enabeld is not an option; did you mean db_backup_enabled?",
        "db_backup_restic_password is not",
        "data_services_redis_memory: 256 is in bytes",
        "lock_timeout is 5, which needs a unit",
        "bakcup is not an option; did you mean -e backup=",
    )


def test_provisioning_accepts_what_is_right(tmp_path: Path) -> None:
    assert "msg" not in check(tmp_path, {**GOOD, **SERVICES, "backups": [], "releases": 3, "vault_app_x": 1}, "provision")


INVENTORY = """
app_env:
  OPEN_AT: 22:30
  UMASK: 0755
  VERSION: 1.10
  BORN: 2026-01-01
  WHEN: 2026-01-01 22:30:00
  PORT: 8000
  RATIO: 0.5
  QUOTED: "22:30"
  DEBUG: true
  NOTHING:
app_secrets:
  pin: 0123
db_backup_schedule: 22:30
app_release_migrate_command: alembic upgrade head
app_prt: true
"""


def test_what_is_wrong_in_an_inventory_comes_with_its_line(tmp_path: Path) -> None:
    variables = {name: value for name, value in GOOD.items() if name != "app_secrets"}
    message = check(tmp_path, {**variables, **SERVICES}, "provision", INVENTORY)["msg"]
    has_all(
        message,
        'app_env.OPEN_AT: YAML reads 22:30 as 1350: write "22:30"',
        'app_env.UMASK: YAML reads 0755 as 493: write "0755"',
        'app_env.VERSION: YAML reads 1.10 as 1.1: write "1.10"',
        "app_env.WHEN: YAML reads 2026-01-01 22:30:00 as",
        "app_secrets.pin: YAML reads its number as another one: quote it",
        'db_backup_schedule: YAML reads 22:30 as 1350: write "22:30"',
        f'app_release_migrate_command: \'alembic upgrade head\' is one text where a list belongs: write ["alembic", "upgrade", "head"]: '
        f"it is set in {tmp_path}/group_vars/all.yml, line 16",
        f"app_prt is not an option; did you mean app_port? (set in {tmp_path}/group_vars/all.yml, line 17)",
    )
    assert message.startswith("CONFIG: 8 problems in your variables")
    assert "0123" not in message and "83" not in message


@pytest.mark.parametrize(("playbook", "option"), [("restore", "-e backup="), ("deploy", "-e backup="), ("rollback", "-e backup=")])
def test_a_misspelt_option_of_a_playbook(tmp_path: Path, playbook: str, option: str) -> None:
    assert f"bakcup is not an option; did you mean {option}" in check(tmp_path, {**GOOD, "bakcup": "20260101T000000Z"}, playbook)["msg"]


PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))


def test_each_playbook_declares_what_it_takes() -> None:
    declared = yaml.safe_load((ROOT / "meta" / "options.yml").read_text())
    assert sorted(declared) == [file.stem for file in PLAYBOOKS]
    for file in PLAYBOOKS:
        used = set(re.findall(r"\{\{ (\w+)(?: \||\s*\}\})", file.read_text())) | set(re.findall(r"when: (\w+) is", file.read_text()))
        used |= {prompt["name"] for play in yaml.safe_load(file.read_text()) for prompt in play.get("vars_prompt", ())}
        assert {name for name in used if not name.startswith("__")} <= declared[file.stem]["options"].keys(), file


@pytest.mark.parametrize("file", PLAYBOOKS, ids=lambda file: file.stem)
def test_each_playbook_passes_its_name_to_the_check(file: Path) -> None:
    for play in yaml.safe_load(file.read_text())[:1]:
        assert play["vars"]["__fairlead_playbook"] == file.stem
