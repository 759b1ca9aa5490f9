"""Apps as controllers see them that have no checkout: the collection installed from its archive, playbooks by name, no `ansible.cfg`."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from lab import packaging, paths
from lab.play import Play
from lab.story import App

PLACE = paths.REPOSITORY / ".cache" / "controllers"
TOOLS = Path(sys.executable).parent


class AppOfInstalled(App):
    """An app as such a controller sees it.

    Args:
        place: where the collection was built and installed, as `lab.packaging` does.
        programs: folder of Ansible's programs.
        name: the app's, with more as for any app.
        callback: what shows the output; Ansible's own where it is empty.
    """

    def __init__(self, place: Path, programs: Path, name: str, *, callback: str = "", **more: Any) -> None:
        super().__init__(name, **more)
        self._shown_by = {"ANSIBLE_STDOUT_CALLBACK": callback} if callback else {}
        self._place = place
        self._programs = programs

    def play(self, playbook: str, *arguments: str, **variables: Any) -> Play:
        command, environment = self.invocation(playbook, *arguments, **variables)
        command = [f"fairlead.fastapi.{playbook}" if word == f"playbooks/{playbook}.yml" else word for word in command]
        found = {**environment_of(self._place), **self._shown_by}
        found["PATH"] = f"{self._programs}:{environment['PATH']}"
        home = self._place / packaging.HOME.name
        done = subprocess.run(command, cwd=home, env=found, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return Play(done.returncode, done.stdout)


def environment_of(place: Path) -> dict[str, str]:
    """Return the environment of a controller that has the collection, as `lab.packaging` installed it, and what that depends on."""
    found = packaging.environment(place)
    # That lies with the tools here; Galaxy, from which users get it, cannot be reached.
    found["ANSIBLE_COLLECTIONS_PATH"] += f":{sysconfig.get_path('purelib')}"
    return found


def programs(core: str) -> Path:
    """Return the folder of the programs of an ansible-core, as ``2.20``, with what migrations are judged by; made when it is not there."""
    folder = PLACE / core
    if not folder.exists():
        fresh = folder.with_name(f"{core}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        uv = [str(TOOLS / "uv")]
        subprocess.run([*uv, "venv", "--quiet", "--relocatable", "--python", str(TOOLS / "python"), str(fresh)], check=True)
        wanted = (f"ansible-core~={core}.0", "--requirements", str(paths.REPOSITORY / "meta" / "ee-requirements.txt"))
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(fresh / "bin" / "python"), *wanted], check=True)
        fresh.rename(folder)
    return folder / "bin"
