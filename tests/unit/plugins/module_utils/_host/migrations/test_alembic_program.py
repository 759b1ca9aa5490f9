"""The program that is handed to an image's Python, run as there, with a stand-in for Alembic and its scripts."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations import alembic_program

# 0001 to 0004, of which 0003 reads rows. Everything prints, as loggers do.
ALEMBIC = {
    "__init__.py": "",
    "config.py": """
class CommandLine:
    def main(self, argv):
        print("options", *argv, flush=True)
        self.run_cmd(type("Config", (), {})(), argv)
""",
    "script.py": """
import os, sys
from types import SimpleNamespace as S
from alembic.runtime import environment
NAMES = ["0001", "0002", "0003", "0004"]
class ScriptDirectory:
    @classmethod
    def from_config(cls, config):
        print("INFO a logger's line", flush=True)
        return cls()
    def walk_revisions(self):
        for at in reversed(range(4)):
            needs = "label@head" if at == 3 else None
            title = f"Title {at}\\nmore" if at else f"Python {sys.executable}"
            yield S(revision=NAMES[at], down_revision=NAMES[at - 1] if at else None, dependencies=needs, doc=title)
    def get_revisions(self, labels):
        return [S(revision="0002") for label in labels]
    def get_heads(self):
        return ["0004"]
    def _upgrade_revs(self, target, current):
        for name in NAMES[NAMES.index(current) + 1 if current else 0:]:
            yield S(revision=S(revision=name))
    def run_env(self):
        os.environ.get("NO_ENV") and sys.exit("settings are missing")
        context, known = environment.known["context"], environment.known
        print("INFO env.py", flush=True)
        for step in known["fn"](known["starting_rev"], S(version_table="versions", version_table_schema="shop")):
            context.write(f"-- Running upgrade x -> {step.revision.revision}\\n")
            if step.revision.revision == "0003":
                raise RuntimeError("there are no rows")
            context.write(f"SELECT {step.revision.revision};\\n")
""",
    "runtime/__init__.py": "",
    "runtime/environment.py": """
known = {}
class EnvironmentContext:
    def __init__(self, config, script, **options):
        known.update(options, context=config.output_buffer)
    def __enter__(self): pass
    def __exit__(self, *_): pass
""",
}


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Where the image's packages are."""
    for name, text in ALEMBIC.items():
        file = tmp_path / "packages" / "alembic" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "packages"


def run(
    packages: Path, cwd: Path, *current: str, python: str = sys.executable, tool: str = "", **env: str
) -> tuple[list[dict[str, Any]], str]:
    """Return what the program told, and what was printed beside it."""
    question = {"tool": tool, "options": ["-c", "a.ini"], "target": "head", "current": list(current)}
    command = [python, "-c", inspect.getsource(alembic_program), json.dumps(question)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(packages), **env}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=30, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_migrations_are_listed_oldest_first(packages: Path, tmp_path: Path) -> None:
    (line,), printed = run(packages, tmp_path, "0004")
    assert [(one["revision"], one["down"]) for one in line["history"]] == [
        ("0001", []),
        ("0002", ["0001"]),
        ("0003", ["0002"]),
        ("0004", ["0003", "0002"]),
    ]
    assert line["history"][1]["title"] == "Title 1"
    assert "options -c a.ini upgrade head --sql" in printed


def test_migrations_after_one_that_needs_rows_are_listed_as_well(packages: Path, tmp_path: Path) -> None:
    (_, first, second), printed = run(packages, tmp_path, "0001")
    table = {"version_table": "versions", "version_schema": "shop"}
    sql = "-- Running upgrade x -> 0002\nSELECT 0002;\n-- Running upgrade x -> 0003\n"
    assert first == {"sql": sql, "failed": "RuntimeError: there are no rows", **table}
    assert second == {"sql": "-- Running upgrade x -> 0004\nSELECT 0004;\n", "failed": "", **table}
    assert printed.count("INFO env.py") == 2, "what a logger prints is no answer"


def test_env_py_that_cannot_be_run_costs_the_sql_alone(packages: Path, tmp_path: Path) -> None:
    (history, sql), _ = run(packages, tmp_path, NO_ENV="1")
    assert (len(history["history"]), sql) == (4, {"sql": "", "failed": "SystemExit: settings are missing"})


@pytest.mark.parametrize("current", [("0004",), ("0001", "0002")])
def test_sql_is_asked_for_only_where_it_can_be_known(packages: Path, tmp_path: Path, current: tuple[str, ...]) -> None:
    told, _ = run(packages, tmp_path, *current)
    assert len(told) == 1


def test_the_table_is_named_whatever_the_database_is_at(packages: Path, tmp_path: Path) -> None:
    told, _ = run(packages, tmp_path, "of another app")
    assert told[1]["version_table"] == "versions"


def test_a_directory_named_alembic_is_not_taken_for_it(packages: Path, tmp_path: Path) -> None:
    (tmp_path / "alembic").mkdir()
    (tmp_path / "alembic" / "__init__.py").write_text("raise ImportError('of the project')")
    told, printed = run(packages, tmp_path, "0004")
    assert len(told) == 1, printed


def test_without_alembic_nothing_is_planned(tmp_path: Path) -> None:
    told, printed = run(tmp_path, tmp_path)
    assert (told, "ModuleNotFoundError" in printed) == ([], True)


@pytest.mark.parametrize(("first_line", "other"), [("#!{}", True), ("#!/bin/sh", False), ("no shebang", False)])
def test_it_goes_on_as_the_python_of_the_tool(packages: Path, tmp_path: Path, first_line: str, other: bool) -> None:
    python, tool = tmp_path / "venv" / "python", tmp_path / "bin" / "alembic"
    for file in (python, tool):
        file.parent.mkdir()
    python.symlink_to(sys.executable)
    tool.write_text(first_line.format(python) + "\n")
    tool.chmod(0o755)
    (line,), _ = run(packages, tmp_path, "0004", tool="alembic", PATH=str(tool.parent))
    assert line["history"][0]["title"] == f"Python {python if other else sys.executable}"
