"""Wrong input is refused on the controller, all at once, before anything is asked of a host."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.action.check_input import ActionModule
from ansible_collections.fairlead.fastapi.plugins.module_utils import _squawk

ROOT = Path(__file__).parents[4]
SECRET = "s3cr3t-of-the-database"
HOSTILE = "{{ lookup('pipe', 'touch ' ~ marker) }}"


def check(directory: Path, variables: dict[str, Any], tag_needed: bool = True) -> dict[str, Any]:
    """Run the role's check against localhost and return its result.

    Args:
        directory: for the play and its variables.
        variables: extra variables, as `-e` would set them.
        tag_needed: as in a deploy.
    """
    task = {"name": "fairlead.fastapi.app_release", "tasks_from": "check"}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "connection": "local",
        "tasks": [{"ansible.builtin.import_role": task, "vars": {"__app_release_tag_needed": tag_needed}}],
    }
    (directory / "play.yml").write_text(json.dumps([play]))
    (directory / "variables.json").write_text(json.dumps(variables))
    done = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", "-e", f"@{directory}/variables.json", str(directory / "play.yml")],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)["plays"][0]["tasks"][0]["hosts"]["localhost"]
    return result


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
    head, *problems = message.splitlines()
    assert head == f"CONFIG: {len(problems)} to mend; nothing was changed."
    for words in (
        "image_tag: an expression is not a tag: pass -e image_tag=<tag>",
        "app_name: 'Shop' is not a valid app name",
        "app_domain is not set (you have app_domian: a slip?)",
        "app_image: 'registry.lab/shop:v1' is not an image repository",
        "app_env: not valid as names: 'LOG-LEVEL'",
        "app_secrets",
        "app_release_keep",
        "app_release_kep is not an option; did you mean app_release_keep?",
        "app_release_memory cannot be worked out: 'no_such_variable' is undefined",
    ):
        assert sum(words in problem for problem in problems) >= 1, f"{words} is not in:\n{message}"
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
    monkeypatch.setattr(_squawk, "find", lambda: "/bin/squawk")
    assert ActionModule._linter_problems(values, options) == []
    monkeypatch.setattr(_squawk, "find", lambda: None)
    assert ActionModule._linter_problems(values, options) == ([_squawk.MISSING] if missing else [])


@pytest.mark.parametrize("tag", ["{{ 1 }}", "v{% set x = 1 %}1", "{# c #}v1"])
def test_whatever_looks_like_a_template_is_refused_as_it_was_written(tag: str) -> None:
    action = ActionModule.__new__(ActionModule)  # has no templar: rendering would fail
    problems = action._problems("app_release", {"image_tag": {"type": "str"}}, {"image_tag": tag})
    assert problems == ["image_tag: an expression is not a tag: pass -e image_tag=<tag>"]
