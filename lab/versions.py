"""Other versions of the collection, and apps as their playbooks see them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from lab import paths
from lab.play import Play
from lab.story import App

# What a playbook needs.
_PARTS = ("ansible.cfg", "galaxy.yml", "meta", "playbooks", "plugins", "roles")


class AppOf(App):
    """An app as the playbooks of another version see it.

    Args:
        tree: where that version is, in `…/ansible_collections/fairlead/fastapi`.
        name: the app's, with more as for any app.
    """

    def __init__(self, tree: Path, name: str, **more: Any) -> None:
        super().__init__(name, **more)
        self._tree = tree

    def play(self, playbook: str, *arguments: str, **variables: Any) -> Play:
        command, environment = self.invocation(playbook, *arguments, **variables)
        found = {**environment, "ANSIBLE_COLLECTIONS_PATH": str(self._tree.parents[2]), "ANSIBLE_CONFIG": str(self._tree / "ansible.cfg")}
        done = subprocess.run(command, cwd=self._tree, env=found, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return Play(done.returncode, done.stdout)


def tree_in(folder: Path) -> Path:
    """Return where the collection lies in a folder of collections."""
    return folder / "ansible_collections" / "fairlead" / "fastapi"


def changed(folder: Path, version: str) -> Path:
    """Make a version like the present one, but for its number and a line of its code for hosts, and return where it is."""
    tree = tree_in(folder)
    tree.mkdir(parents=True)
    for part in _PARTS:
        source = paths.REPOSITORY / part
        if source.is_dir():
            shutil.copytree(source, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, tree / part)
    galaxy = tree / "galaxy.yml"
    galaxy.write_text(re.sub(r"^version: .*$", f"version: {version}", galaxy.read_text(), flags=re.MULTILINE))
    with (tree / "plugins/module_utils/_host/base/limits.py").open("a") as code:
        code.write(f"# {version}\n")
    return tree
