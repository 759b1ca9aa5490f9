"""A value of the wrong unit is refused, for every variable of its kind."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.inputs import units

ROLES = Path(__file__).parents[6] / "roles"


def options() -> dict[str, dict[str, Any]]:
    """Return the options of all roles."""
    found: dict[str, dict[str, Any]] = {}
    for file in ROLES.glob("*/meta/argument_specs.yml"):
        for spec in yaml.safe_load(file.read_text())["argument_specs"].values():
            found |= spec.get("options", {})
    return found


def with_end(end: str) -> list[str]:
    found = [name for name in options() if name.endswith(end)]
    assert found, end
    return found


MEMORY = [("512m", True), ("1g", True), ("1.5g", True), ("640M", True), ("512mb", True), (512, False), ("512", False), ("512k", False)]
MEMORY += [("512MiB", False), ("much", False), ("", False), ("-1m", False), ("0", False)]
SECONDS = [(0, True), (0.5, True), (60, True), (86400, True), (60000000, False), (-1, False)]
KINDS: dict[str, list[tuple[Any, bool]]] = {
    "_memory": MEMORY,
    "_body_size": [("10MB", True), ("10MiB", True), ("1 GB", True), ("32KB", True), ("10485760", False), (10, False), ("nonsense", False)],
    "_header_size": [("32KB", True), ("32", False)],
    "_maxmemory": [("192mb", True), ("192m", True), ("192", False)],
    "_log_max_size": [("10m", True), ("10", False), ("10MB", False), ("0m", False)],
    "_seconds": SECONDS,
    "_hours": [(50, True), (0, False), (180000, False)],
    "_port": [(443, True), ("8000", True), (0, False), (80443, False)],
    "_bake_errors": [(0.05, True), (0, True), (1, True), (5, False)],
    "_cpus": [(0.5, True), (4, True), (0, False), (4096, False)],
    "_keep": [(0, True), (-1, False)],
}
CASES = [(name, value, fits) for end, values in KINDS.items() for name in with_end(end) for value, fits in values]


@pytest.mark.parametrize(("name", "value", "fits"), CASES)
def test_each_option_of_a_kind(name: str, value: Any, fits: bool) -> None:
    if name == "edge_proxy_hsts_seconds" and value == 60000000:
        fits = True  # two years, which is what HSTS is about
    if options()[name]["type"] != "dict":  # db_backup_restic_keep is one
        assert bool(units.problems(name, value)) != fits


def test_the_hint_is_the_value_that_was_probably_meant() -> None:
    assert units.problems("app_release_memory", 512) == ["512 is in bytes; with its unit, it is perhaps 512m"]


@pytest.mark.parametrize("name", sorted(options()))
def test_the_defaults_fit(name: str) -> None:
    default = options()[name].get("default")
    assert default in (None, "") or units.problems(name, default) == []


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"lock_timeout": "5s", "statement_timeout": "15min", "client_connection_check_interval": "500 ms"}, []),
        ({"statement_timeout": 0, "work_mem": "64MB", "max_connections": 100, "random_page_cost": "1.1"}, []),
        ({"lock_timeout": 5}, ["lock_timeout is 5, which needs a unit of PostgreSQL's: ms, s"]),
        ({"lock_timeout": "5 seconds"}, ["lock_timeout is 5 seconds"]),
        (
            {"shared_buffers": 128, "work_mem": "64mb"},
            ["shared_buffers is 128, which needs", "work_mem is 64mb"],
        ),
    ],
)
@pytest.mark.parametrize("name", ["data_services_postgres_options", "data_services_postgres_migrator_settings"])
def test_settings_of_postgres(name: str, settings: dict[str, Any], wrong: list[str]) -> None:
    problems = units.problems(name, settings)
    assert [problem.startswith(words) for problem, words in zip(problems, wrong, strict=True)] == [True] * len(wrong)
