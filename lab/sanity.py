"""`ansible-test sanity` on what is published of the collection: `python -m lab.sanity`. Nothing is written outside of `.cache`.

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


def main() -> int:
    """Run the tests on the Python that runs this, and return their exit code."""
    PLACE.mkdir(parents=True, exist_ok=True)
    build()
    bring_pip()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    environment = {**os.environ, "HOME": str(HOME), "ANSIBLE_COLLECTIONS_PATH": str(PLACE)}
    environment.pop("ANSIBLE_CONFIG", None)
    words = ["ansible-test", "sanity", "--local", "--python", python, "--requirements", "--color", "no"]
    return subprocess.run(words, cwd=COLLECTION, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
