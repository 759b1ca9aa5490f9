"""What roles, playbooks, scenarios and the built collection promise about themselves."""

import ast
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
SCENARIOS = sorted(path.name for path in (ROOT / "molecule").iterdir() if path.is_dir() and path.name != "shared")
PLAYBOOKS = sorted(path.name for path in (ROOT / "playbooks").glob("*.yml"))


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}


def specs(role: str) -> dict[str, dict[str, Any]]:
    """Return the options of each entry point."""
    found = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]
    return {entry: spec.get("options", {}) for entry, spec in found.items()}


@pytest.mark.parametrize("role", ROLES)
def test_the_documented_defaults_are_the_defaults(role: str) -> None:
    documented = {name: option["default"] for name, option in specs(role)["main"].items() if "default" in option}
    assert load(ROOT / "roles" / role / "defaults" / "main.yml") == documented


@pytest.mark.parametrize("role", ROLES)
def test_each_option_has_a_type_and_says_what_it_is_for(role: str) -> None:
    for entry, options in specs(role).items():
        for name, option in options.items():
            where = f"{role}.{entry}.{name}"
            assert option.get("description") and option.get("type"), where
            assert not (option.get("required") and "default" in option), where


@pytest.mark.parametrize("role", ROLES)
def test_each_variable_that_is_used_is_documented(role: str) -> None:
    known = {name for options in specs(role).values() for name in options}
    public = re.compile(rf"(?<![\w.])(?:image_tag|(?:app|{role})_[a-z0-9_]+)\b")
    folders = ("tasks", "templates", "handlers", "vars")
    files = [file for folder in folders for file in (ROOT / "roles" / role / folder).rglob("*") if file.is_file()]
    used = {name for file in files for name in public.findall(code(file))}
    assert used - {*ROLES, "app_hosts"} - known == set()


@pytest.mark.parametrize("role", ROLES)
def test_conditions_take_yes_and_no_as_e_gives_them(role: str) -> None:
    switches = [name for options in specs(role).values() for name, option in options.items() if option["type"] == "bool"]
    bare = re.compile(rf"(?:\b(?:when|that): |\bif |\band |\bor |\bnot )({'|'.join(switches) or 'none'})\b(?! *\|)")
    files = [file for folder in ("tasks", "templates", "vars") for file in (ROOT / "roles" / role / folder).rglob("*") if file.is_file()]
    assert {file.name: names for file in files if (names := bare.findall(code(file)))} == {}


def code(file: Path) -> str:
    """Return a file's text without its comments."""
    return re.sub(r"(?m)^\s*#.*$|\{#.*?#\}", "", file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_scenario_verifies_something(scenario: str) -> None:
    directory = ROOT / "molecule" / scenario
    assert (directory / "molecule.yml").is_file()
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in (directory / "tests").glob("test_*.py")]
    tests = [n for tree in trees for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]
    assert tests


def modules(tasks: list[dict[str, Any]]) -> set[str]:
    """Return the modules that tasks call, also in blocks."""
    found: set[str] = set()
    for task in tasks:
        nested = [inner for key in ("block", "rescue", "always") for inner in task.get(key, [])]
        found |= modules(nested) if nested else {key for key in task if "." in key}
    return found


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_playbooks_only_say_which_roles_run_where(playbook: str) -> None:
    for play in load(ROOT / "playbooks" / playbook):
        assert "hosts" in play or "ansible.builtin.import_playbook" in play
        tasks = [task for key in ("pre_tasks", "tasks", "post_tasks") for task in play.get(key, [])]
        assert modules(tasks) <= {"ansible.builtin.import_role", "ansible.builtin.include_role"}
        assert all("." in role["role"] for role in play.get("roles", [])), "roles by their full names"


def test_the_built_collection_carries_only_what_runs() -> None:
    needed = {"meta", "plugins", "roles", "playbooks", "README.md", "LICENSE", "CHANGELOG.md", "changelogs"}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=30)
    tracked = {name.split("/")[0] for name in listed.stdout.splitlines()}
    ignored = load(ROOT / "galaxy.yml")["build_ignore"]
    shipped = {name for name in tracked if not any(fnmatch(name, pattern) for pattern in ignored)}
    assert shipped - {"galaxy.yml", "requirements.yml"} <= needed
    assert {"meta", "plugins", "roles", "playbooks"} <= shipped
