"""The collection as users get it: built, judged and installed. `python -m lab.packaging CHECK`; nothing is written outside of `.cache`.

The checks are `listing` (what is in the archive), `galaxy` (what Galaxy asks of it), `docs` (its documentation, by Ansible's own tool) and
`installed` (its playbooks run by name, from an empty directory).
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab import paths

PLACE = paths.REPOSITORY / ".cache" / "packaging"
HOME = PLACE / "home"  # an empty directory
INSTALLED = PLACE / "collections"
# All that may be at the top of the archive; each has something that users need.
TOP = {
    *("CHANGELOG.md", "FILES.json", "LICENSE", "LICENSES", "MANIFEST.json", "README.md"),
    *("changelogs", "docs", "inventories", "meta", "playbooks", "plugins", "requirements.yml", "roles"),
}
# What messages and the README send users to.
NEEDED = (
    *("docs/image.md", "docs/failures.md", "docs/backups.md", "docs/controllers.md", "docs/pipelines.md", "docs/security.md"),
    *("inventories/single_vps/hosts.yml", "inventories/single_vps/group_vars/all/main.yml", "meta/ee-requirements.txt"),
    *(f"roles/{role}/README.md" for role in ("app_release", "data_services", "db_backup", "docker_engine", "edge_proxy")),
)
# What Galaxy's importer says of content that it only passes over.
HARMLESS = re.compile(r"requires_ansible|ansible-test sanity|ignore file|No changelog")


def build(place: Path = PLACE) -> Path:
    """Build the archive in a folder from what Git knows, and return it: a work tree has more."""
    shutil.rmtree(place, ignore_errors=True)
    source = place / "source"
    subprocess.run(["git", "checkout-index", "--all", f"--prefix={source}/"], cwd=paths.REPOSITORY, check=True)
    galaxy = ["ansible-galaxy", "collection", "build", "--force", "--output-path", str(place)]
    subprocess.run(galaxy, cwd=source, check=True, stdout=subprocess.DEVNULL)
    (archive,) = place.glob("*.tar.gz")
    return archive


def install(archive: Path) -> Path:
    """Install the archive as users do, beside it, and return where it is."""
    home, installed = archive.with_name(HOME.name), archive.with_name(INSTALLED.name)
    command = ["ansible-galaxy", "collection", "install", str(archive), "--collections-path", str(installed), "--no-deps", "--force"]
    home.mkdir(parents=True)
    subprocess.run(command, cwd=home, env=environment(archive.parent), check=True, stdout=subprocess.DEVNULL)
    return installed / "ansible_collections" / "fairlead" / "fastapi"


def listing() -> list[str]:
    """Compare what the archive has with what users need."""
    root = install(build())
    present = {path.name for path in root.iterdir()}
    odd = [f"{name} is in the archive, and users need none" for name in sorted(present - TOP)]
    odd += [f"{name} is not in the archive" for name in sorted(TOP - present)]
    return [*odd, *(f"{name} is not in the archive" for name in NEEDED if not (root / name).is_file())]


def galaxy() -> list[str]:
    """Have Galaxy's importer judge it."""
    archive = build()
    importer = [sys.executable, "-m", "galaxy_importer.main", str(archive)]
    done = subprocess.run(importer, cwd=PLACE, env=environment(), capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()
    problems = [line for line in said if re.match(r"(ERROR|WARNING|CRITICAL)", line) and not HARMLESS.search(line)]
    if done.returncode or not any("success" in line.lower() for line in said):
        problems = problems or said[-5:]
    return problems


def docs() -> list[str]:
    """Have Ansible's tool read the documentation of plugins and roles."""
    root = install(build())
    done = _ansible("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", str(root))
    return [] if done.returncode == 0 else (done.stdout + done.stderr).splitlines()


def installed() -> list[str]:
    """Run its playbooks by name, as far as they go without a host, and read what they say."""
    install(build())
    problems = []
    for name in sorted(path.stem for path in (paths.REPOSITORY / "playbooks").glob("*.yml")):
        done = _ansible("ansible-playbook", "--syntax-check", "--inventory", "localhost,", f"fairlead.fastapi.{name}")
        problems += [f"{name}: {line}" for line in done.stderr.splitlines() if done.returncode and line.strip()]
    inventory = HOME / "hosts.yml"
    inventory.write_text("all: {children: {app_hosts: {hosts: {vps1: {ansible_host: 203.0.113.10}}}}}\n")
    done = _ansible("ansible-playbook", "--inventory", str(inventory), "fairlead.fastapi.deploy")
    if done.returncode == 0 or "CONFIG: " not in done.stdout or "app_image" not in done.stdout:
        problems.append(f"deploy without variables did not say which it needs:\n{done.stdout}{done.stderr}")
    if "playbooks/" in done.stdout:
        problems.append(f"deploy names a file of the checkout:\n{done.stdout}")
    return problems


def _ansible(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=HOME, env=environment(), capture_output=True, text=True, check=False, timeout=300)


def environment(place: Path = PLACE) -> dict[str, str]:
    """Return an environment in which Ansible knows nothing of the checkout; what the collection depends on is beside ansible-core."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return {**kept, "HOME": str(place / HOME.name), "ANSIBLE_COLLECTIONS_PATH": str(place / INSTALLED.name), "NO_COLOR": "1"}


CHECKS = {check.__name__: check for check in (listing, galaxy, docs, installed)}


def main(arguments: Sequence[str]) -> int:
    """Do a check, print what is wrong, and return the exit code."""
    if len(arguments) != 1 or arguments[0] not in CHECKS:
        print(f"usage: python -m lab.packaging {{{'|'.join(CHECKS)}}}", file=sys.stderr)
        return 2
    problems = CHECKS[arguments[0]]()
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
