#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program of scheduled backups, where a timer of the host finds it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_program
short_description: Install the program of scheduled backups on a host
version_added: 1.0.0
description:
  - Writes the very code that makes backups in a deploy, and nothing else of this collection, to a directory of the host, in packages of the
    same names as on the controller. Files there that are no part of it any more are removed.
options:
  directory:
    description: Where to; the timer has it as C(PYTHONPATH).
    type: path
    default: /usr/local/lib/fairlead
requirements:
  - Python 3.9 or newer on the host.
attributes:
  check_mode:
    support: full
    description: Changes nothing on the host.
  diff_mode:
    support: none
    description: Lists the files that differ.
author:
  - Fairlead contributors (@fairlead)
"""

EXAMPLES = r"""
- name: Install the program of scheduled backups
  fairlead.fastapi.backup_program:
"""

RETURN = r"""
files:
  description: Files that differed, below the directory.
  returned: success
  type: list
  elements: str
code:
  description: Stable failure code.
  returned: failure
  type: str
"""

import ast
import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path, PurePosixPath
from typing import Any, Dict, List, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import program
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import write_atomically
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError, explain

PACKAGE = "ansible_collections.fairlead.fastapi.plugins.module_utils"


def imported(source: str) -> List[str]:
    """Return the modules of this collection that a source imports, by their full names."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
            within = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name for name in within if _spec(name)] or [str(node.module)]
    return found


def _spec(name: str) -> Optional[ModuleSpec]:
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError:  # what would have it is a module itself, and no package
        return None


def sources() -> Dict[str, str]:
    """Return the program and all that it imports of this collection, by full name."""
    found: Dict[str, str] = {}
    wanted = [program.__name__]
    while wanted:
        name = wanted.pop()
        if name not in found:
            spec = _spec(name)
            # From the archive that Ansible brought them in.
            loader: Any = spec.loader if spec else None
            found[name] = loader.get_data(spec.origin if spec else "").decode("utf-8")
            wanted += imported(found[name])
    return found


def files() -> Dict[str, str]:
    """Return what each file shall hold, by its path below the directory."""
    wanted = {f"{name.replace('.', '/')}.py": source for name, source in sources().items()}
    # Packages, because without __init__.py one of an Ansible that is installed on the host would come first.
    folders = {str(folder) for name in wanted for folder in PurePosixPath(name).parents if folder.name}
    return {**{f"{folder}/__init__.py": "" for folder in folders}, **wanted}


def install(directory: Path, check_mode: bool) -> Dict[str, Any]:
    """Have the directory hold just the program.

    Raises:
        ReleaseError: STATE_WRITE.
    """
    wanted = files()
    found = {str(file.relative_to(directory)): file.read_text(encoding="utf-8") for file in directory.rglob("*.py")}
    differing = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    if not check_mode:
        for name in differing:
            if name in wanted:
                (directory / name).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                write_atomically(directory / name, wanted[name], mode=0o644)
            else:
                (directory / name).unlink()
    return {"changed": bool(differing), "files": differing}


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(argument_spec={"directory": {"type": "path", "default": "/usr/local/lib/fairlead"}}, supports_check_mode=True)
    try:
        result = install(Path(module.params["directory"]), module.check_mode)
    except ReleaseError as error:
        module.fail_json(msg=explain(error), code=error.code)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
