"""The program of scheduled backups is all that it imports, and nothing that a host without Ansible lacks."""

import ast
import subprocess
import sys
from pathlib import Path

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import program
from ansible_collections.fairlead.fastapi.plugins.modules.backup_program import PACKAGE, files, imported, install, sources


def test_it_is_its_own_imports_and_the_standard_library() -> None:
    found = sources()
    assert program.__name__ in found
    nodes = [node for source in found.values() for node in ast.walk(ast.parse(source))]
    names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    outside = {name.split(".")[0] for name in names if not name.startswith(PACKAGE)}
    assert outside <= sys.stdlib_module_names
    assert {name for source in found.values() for name in imported(source)} | {program.__name__} == set(found)


def test_it_is_installed_once_and_what_it_lost_goes(tmp_path: Path) -> None:
    package = tmp_path / PACKAGE.replace(".", "/")
    package.mkdir(parents=True)
    (package / "_gone.py").touch()  # as versions before the rooms had them, all in one folder
    told = install(tmp_path, check_mode=True)
    assert told["changed"] and [path.name for path in package.iterdir()] == ["_gone.py"]
    assert install(tmp_path, check_mode=False) == told
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.py")} == set(files())
    assert install(tmp_path, check_mode=False) == {"changed": False, "files": []}
    assert (package / "_host/backups/backup.py").stat().st_mode & 0o777 == 0o644
    # It runs as the timer runs it, with no Ansible in sight.
    command = [sys.executable, "-S", "-B", "-m", program.__name__, "--help"]
    done = subprocess.run(command, env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0 and "--drill" in done.stdout, done.stderr
