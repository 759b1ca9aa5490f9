"""Versions of the program on a host: whole or not at all, the current one never goes back, the few that are kept."""

import ast
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.program import install, main
from ansible_collections.fairlead.fastapi.plugins.plugin_utils._host_program import program

PACKAGE = "ansible_collections.fairlead.fastapi.plugins.module_utils"
HELP = "print('it runs')\n"


def archive(content: str = HELP) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as files:
        files.writestr("__main__.py", content)
    return written.getvalue()


def installed(root: Path) -> set[str]:
    return {path.name for path in root.iterdir() if not path.is_symlink()}


def test_it_needs_the_standard_library_only() -> None:
    sources = {name: source for name, source in program().files.items() if not name.endswith("/alembic_program.py")}  # runs in images
    nodes = [node for name, source in sources.items() for node in ast.walk(ast.parse(source, name))]
    names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    assert {name.split(".")[0] for name in names if not name.startswith(f"{PACKAGE}.")} <= sys.stdlib_module_names


def test_it_runs_with_no_ansible_in_sight(tmp_path: Path) -> None:
    install.install(tmp_path, program().name, "1.0.0", program().archive())
    launcher = tmp_path / program().name / "fairlead"
    done = subprocess.run([launcher, "drill", "--help"], env={}, cwd="/", capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0 and "--app" in done.stdout, done.stderr
    compiled = list((tmp_path / program().name).rglob(f"__pycache__/main.{sys.implementation.cache_tag}.pyc"))
    assert compiled, "it is not compiled"
    assert (launcher.stat().st_mode & 0o777, compiled[0].stat().st_mode & 0o777) == (0o755, 0o644)


def test_the_same_again_leaves_it_alone(tmp_path: Path) -> None:
    install.install(tmp_path, "a1", "1.0.0", archive())
    before = (tmp_path / "a1" / "__main__.py").stat()
    install.install(tmp_path, "a1", "1.0.0", archive("raise SystemExit(3)\n"))
    assert (tmp_path / "a1" / "__main__.py").stat() == before
    assert installed(tmp_path) == {"a1"}


def test_what_cannot_be_unpacked_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(zipfile.BadZipFile):
        install.install(tmp_path, "a1", "1.0.0", b"no archive")
    assert installed(tmp_path) == set()
    assert not install.is_installed(tmp_path, "a1")


@pytest.mark.parametrize(
    ("order", "current"),
    [
        ((("a1", "1.0.0"), ("b2", "1.1.0")), "b2"),
        ((("a1", "1.1.0"), ("b2", "1.0.9")), "a1"),  # a controller that was not updated yet
        ((("a1", "1.0.0"), ("b2", "1.0.0")), "b2"),
        ((("a1", "1.9.0"), ("b2", "1.10.0-dev")), "b2"),
    ],
)
def test_the_current_version_never_goes_back(tmp_path: Path, order: tuple[tuple[str, str], ...], current: str) -> None:
    for name, version in order:
        install.install(tmp_path, name, version, archive())
    assert (tmp_path / "current").readlink() == Path(current)
    done = subprocess.run([tmp_path / "current" / "fairlead"], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "it runs\n"


def test_a_current_version_that_is_gone_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("gone")
    install.install(tmp_path, "a1", "1.0.0", archive())
    assert (tmp_path / "current").readlink() == Path("a1")


def test_three_are_kept_and_those_that_run(tmp_path: Path) -> None:
    for number, name in enumerate(("a1", "b2", "c3", "d4")):
        install.install(tmp_path, name, "1.0.0", archive())
        os.utime(tmp_path / name, (number, number))
    assert installed(tmp_path) == {"b2", "c3", "d4"}
    with main.in_use(tmp_path / "b2"):
        os.utime(tmp_path / "b2", (1, 1))
        install.install(tmp_path, "e5", "1.0.0", archive())
        assert installed(tmp_path) == {"b2", "c3", "d4", "e5"}
    install.install(tmp_path, "f6", "1.0.0", archive())
    assert installed(tmp_path) == {"d4", "e5", "f6"}


def test_what_else_lies_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ansible_collections").mkdir()  # as versions before the program had it; provisioning removes it
    for name in ("a1", "b2", "c3", "d4", "e5"):
        install.install(tmp_path, name, "1.0.0", archive())
    assert (tmp_path / "ansible_collections").is_dir()


def test_those_that_are_used_are_kept(tmp_path: Path) -> None:
    for number, name in enumerate(("a1", "b2", "c3")):
        install.install(tmp_path, name, "1.0.0", archive())
        os.utime(tmp_path / name, (number, number))
    with main.in_use(tmp_path / "a1"):
        pass
    install.install(tmp_path, "d4", "1.0.0", archive())
    assert installed(tmp_path) == {"a1", "c3", "d4"}
