"""The rooms of module_utils, and which may use which: docs/architecture.md has the same picture."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
UTILS = ROOT / "plugins" / "module_utils"
PACKAGE = "ansible_collections.fairlead.fastapi.plugins.module_utils"
SHARED, CONTROLLER, HOST = "_shared", "_controller", "_host"
# Each may use those before it, and what is shared.
HOST_ROOMS = ("base", "engine", "postgres", "volumes", "migrations", "release", "edge", "backups", "run", "stages", "provision", "program")
CONTROLLER_ROOMS = ("inputs", "review")
FILES = sorted(UTILS.rglob("*.py"))


def room(dotted: str) -> str:
    """Return a room's name from the dotted name of a module below module_utils: ``_shared``, or ``_host.release``."""
    words = dotted.split(".")
    return SHARED if words[0] == SHARED else ".".join(words[:2])


def imports(file: Path) -> Iterator[str]:
    """Yield what a file imports of module_utils, as dotted names below it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
            yield str(node.module)[len(PACKAGE) + 1 :]


def may_use(user: str, used: str) -> bool:
    """Tell whether a room may use another one."""
    if used in (user, SHARED):
        return True
    side, _, name = user.partition(".")
    other_side, _, other = used.partition(".")
    return side == other_side == HOST and HOST_ROOMS.index(other) < HOST_ROOMS.index(name)


def test_each_file_is_in_a_room() -> None:
    rooms = {SHARED, *(f"{HOST}.{name}" for name in HOST_ROOMS), *(f"{CONTROLLER}.{name}" for name in CONTROLLER_ROOMS)}
    assert {room(".".join(file.relative_to(UTILS).with_suffix("").parts)) for file in FILES} == rooms


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(UTILS)))
def test_arrows_point_one_way(file: Path) -> None:
    own = room(".".join(file.relative_to(UTILS).with_suffix("").parts))
    assert [used for used in imports(file) if not may_use(own, room(used))] == []


@pytest.mark.parametrize("file", sorted((ROOT / "plugins" / "modules").glob("*.py")), ids=lambda file: file.stem)
def test_what_runs_on_hosts_needs_nothing_of_the_controllers(file: Path) -> None:
    assert [used for used in imports(file) if used.startswith(CONTROLLER)] == []


@pytest.mark.parametrize(
    "file",
    sorted(file for kind in ("action", "callback", "lookup", "plugin_utils") for file in (ROOT / "plugins" / kind).glob("*.py")),
    ids=str,
)
def test_what_runs_on_the_controller_needs_nothing_of_the_hosts(file: Path) -> None:
    assert [used for used in imports(file) if used.startswith(HOST)] == []


@pytest.mark.parametrize(
    ("user", "used", "allowed"),
    [
        ("_host.run", "_host.base", True),
        ("_host.base", "_host.run", False),
        ("_host.release", "_shared", True),
        ("_shared", "_host.base", False),
        ("_host.run", "_controller.inputs", False),
        ("_controller.inputs", "_host.base", False),
        ("_controller.inputs", "_controller.review", False),
    ],
)
def test_which_room_may_use_which(user: str, used: str, allowed: bool) -> None:
    assert may_use(user, used) is allowed
