"""What roles, playbooks, scenarios and the built collection promise about themselves."""

import ast
import re
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
def test_each_option_has_a_type_and_a_description(role: str) -> None:
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


def test_what_is_written_keeps_its_order() -> None:
    # These filters make sets, whose order differs from run to run: the same deploy would change something each time.
    unordered = re.compile(r"\| *(difference|intersect|union|symmetric_difference)\b(?!\([^|]*\) *\| *sort\b)")
    files = [
        file for role in ROLES for folder in ("templates", "vars") for file in (ROOT / "roles" / role / folder).rglob("*") if file.is_file()
    ]
    assert [file.name for file in files if unordered.search(file.read_text(encoding="utf-8"))] == []


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


SOCKET = {"docker_host": "unix:///var/run/docker.sock", "tls": False, "validate_certs": False}
EMPTY = ("COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES", "DOCKER_CONTEXT", "DOCKER_CONFIG")
NEUTRAL = {**dict.fromkeys((*EMPTY, "DOCKER_TLS_VERIFY"), ""), "DOCKER_HOST": SOCKET["docker_host"]}
CALLS = re.compile(r"__edge_proxy_validate|community\.docker\.|\bdocker (compose|run)\b|\['docker',")


def flat(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return tasks, those in blocks among them."""
    nested = [inner for task in tasks for key in ("block", "rescue", "always") for inner in task.get(key, [])]
    return [task for task in tasks if "block" not in task] + (flat(nested) if nested else [])


def docker_tasks() -> list[tuple[str, str, dict[str, Any]]]:
    """Return every task of a role that calls Docker: its role, what it is called, and itself."""
    files = [file for role in ROLES for folder in ("tasks", "handlers") for file in (ROOT / "roles" / role / folder).glob("*.yml")]
    tasks = [(file.parts[-3], task) for file in files for task in flat(load(file) or [])]
    return [(role, f"{role}: {task['name']}", task) for role, task in tasks if CALLS.search(str(task))]


@pytest.mark.parametrize(("role", "name", "task"), docker_tasks(), ids=lambda value: value if isinstance(value, str) else "")
def test_tasks_name_the_engine_the_project_and_its_file(role: str, name: str, task: dict[str, Any]) -> None:
    for module, options in task.items():
        if module.startswith("community.docker."):
            assert options.items() >= SOCKET.items(), name
        if module.startswith("community.docker.docker_compose"):
            assert options["files"] == ["compose.yaml"] and options["project_name"], name
    # The program on the host sees to its environment itself.
    if not {"community.docker.docker_network", "community.docker.docker_volume", "fairlead.fastapi.host_files"} & task.keys():
        assert task.get("environment") == f"{{{{ __{role}_environment }}}}", name
        assert load(ROOT / "roles" / role / "vars" / "main.yml")[f"__{role}_environment"].items() >= NEUTRAL.items()


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_playbooks_only_say_which_roles_run_where(playbook: str) -> None:
    for play in load(ROOT / "playbooks" / playbook):
        assert "hosts" in play or "ansible.builtin.import_playbook" in play
        tasks = [task for key in ("pre_tasks", "tasks", "post_tasks") for task in play.get(key, [])]
        assert modules(tasks) <= {"ansible.builtin.import_role", "ansible.builtin.include_role"}
        assert all("." in role["role"] for role in play.get("roles", [])), "roles by their full names"


def test_each_part_of_provisioning_can_be_run_alone() -> None:
    tags: dict[str, set[str]] = {}
    for each in load(ROOT / "playbooks" / "provision.yml"):
        for step in [*each.get("roles", []), *each.get("tasks", [])]:
            role = step.get("role") or step["ansible.builtin.import_role"]["name"]
            tags.setdefault(step["tags"], set()).add(role.rpartition(".")[2])
    checks = tags.pop("always")
    assert tags == {role: {role} for role in ROLES}
    assert checks == {"app_release", "edge_proxy"}, "what is wrong is said whichever part is run"


@pytest.mark.parametrize("file", sorted(ROOT.glob("roles/*/tasks/*.yml")), ids=lambda file: f"{file.parts[-3]}.{file.stem}")
def test_what_is_included_belongs_to_its_role_alone_too(file: Path) -> None:
    for task in load(file):
        if "ansible.builtin.include_tasks" in task:
            assert task["ansible.builtin.include_tasks"]["apply"] == {"tags": file.parts[-3]}
