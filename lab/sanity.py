"""`ansible-test sanity` on what is published of the collection: `python -m lab.sanity`. Nothing is written outside of `.cache`.

It runs with the Python that runs this, as on controllers, and with the oldest that hosts may have, where this machine has one.

The tests' own tools come from where pip finds packages, each in an environment of its own. Their pip is this Python's: ansible-test would
fetch one from the network.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import ansible_test  # type: ignore[import-untyped]

from lab import paths

PLACE = paths.REPOSITORY / ".cache" / "sanity"
COLLECTION = PLACE / "ansible_collections" / "fairlead" / "fastapi"
HOME = PLACE / "home"
OLDEST_HOST = "3.9"


def build() -> None:
    """Lay out the collection as an installation has it: ansible-test takes no link to a checkout."""
    shutil.rmtree(PLACE / "ansible_collections", ignore_errors=True)
    galaxy = ["ansible-galaxy", "collection", "build", "--force", "--output-path", str(PLACE)]
    subprocess.run(galaxy, cwd=paths.REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    (archive,) = PLACE.glob("*.tar.gz")
    COLLECTION.mkdir(parents=True)
    shutil.unpack_archive(archive, COLLECTION, filter="data")
    archive.unlink()
    # ansible-test asks Git for the files, and the repository around ignores this folder.
    subprocess.run(["git", "init", "--quiet"], cwd=COLLECTION, check=True)


def bring_pip() -> None:
    """Put a program where ansible-test would fetch `get-pip.py` to."""
    source = Path(ansible_test.__file__).parent / "_internal" / "python_requirements.py"
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in re.findall(r"pip='([0-9.]+)'", source.read_text(encoding="utf-8")):
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text("import ensurepip\nensurepip.bootstrap()\n")


def interpreter(version: str) -> Path | None:
    """Return a Python of a version that works, on the PATH or from pyenv, or None where there is none."""
    on_path = [Path(found) for found in [shutil.which(f"python{version}")] if found]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for python in [*on_path, *sorted(pyenv.glob(f"{version}.*/bin/python{version}"))]:
        if subprocess.run([python, "-c", "import venv"], capture_output=True, check=False).returncode == 0:
            return python
    return None


def run(version: str, folder: Path) -> int:
    """Run the tests on a Python that lies in a folder, and return their exit code."""
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "HOME": str(HOME), "ANSIBLE_COLLECTIONS_PATH": str(PLACE), "PATH": path}
    environment.pop("ANSIBLE_CONFIG", None)
    words = ["ansible-test", "sanity", "--local", "--python", version, "--requirements", "--color", "no"]
    return subprocess.run(words, cwd=COLLECTION, env=environment, check=False).returncode


def main() -> int:
    """Run the tests, and return the worst exit code."""
    PLACE.mkdir(parents=True, exist_ok=True)
    build()
    bring_pip()
    oldest = interpreter(OLDEST_HOST)
    if oldest is None:
        print(f"no Python {OLDEST_HOST} here: what hosts run is tried with this Python alone")
    codes = [run(f"{sys.version_info.major}.{sys.version_info.minor}", Path(sys.executable).parent)]
    codes += [run(OLDEST_HOST, oldest.parent)] if oldest else []
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
