"""Images by the names a user would use: official ones where Docker Hub answers, stand-ins where it does not."""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from lab import paths
from lab.debian import DOCKER_CLEAN, OPTIONS, build_root
from lab.docker import HASH_LABEL, LABEL, LabError, attempt, docker, inspect, labels
from lab.steps import step

DEBIAN = "debian:trixie-slim"
PYTHON = "python:3.12-slim"
HUB_SECONDS = 10
NOT_IN_IMAGES = {"__pycache__", "tests"}


@dataclass(frozen=True)
class Image:
    """One image of the lab: its name, its folder under lab/images, whether Docker Hub has an official one, build arguments, and base."""

    name: str
    folder: str
    official: bool = True
    arguments: dict[str, str] = field(default_factory=dict)
    base: str = DEBIAN


SERVICES = (
    Image("postgres:17", "postgres"),
    Image("postgres:15", "postgres", arguments={"MAJOR": "15", "SUITE": "bookworm"}),  # to be upgraded from
    Image("postgres:17-alpine", "postgres_alpine", base="postgres:17"),
    Image("pgvector/pgvector:pg17", "pgvector", base="postgres:17"),
    Image("redis:8", "redis"),
    Image("caddy:2.11", "caddy"),
)
REGISTRY = Image("fairlead-lab/registry", "registry", official=False)
HOST = Image("fairlead-lab/host", "host", official=False)


@cache
def hub_answers() -> bool:
    """Tell whether Docker Hub can be asked for images; asked once a run, within `HUB_SECONDS`."""
    try:
        return attempt(["docker", "manifest", "inspect", DEBIAN], timeout=HUB_SECONDS).returncode == 0
    except LabError:  # took too long
        return False


def content_hash(parts: Sequence[str], files: Sequence[Path]) -> str:
    """Return a short hash of strings and of files' names, modes and contents (folders: what can get into an image)."""
    digest = hashlib.sha256(json.dumps(list(parts)).encode())
    for top in files:
        for file in sorted(path for path in (top.rglob("*") if top.is_dir() else [top]) if path.is_file()):
            inside = file.relative_to(top.parent)
            if not any(folder in NOT_IN_IMAGES or folder.startswith(".") for folder in inside.parent.parts):
                digest.update(f"{inside} {file.stat().st_mode & 0o111}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def is_current(name: str, content: str, official: bool) -> bool:
    """Tell whether the engine has image `name` as wanted: the official one, or ours with the hash `content`."""
    found = inspect("image", name)
    if found is None:
        return False
    ours = labels(found).get(HASH_LABEL)
    return ours == content or (ours is None and official)


def image_id(name: str) -> str:
    """Return the id of an image that must be there.

    Raises:
        LabError: it is not.
    """
    found = inspect("image", name)
    if found is None:
        raise LabError(f"image {name} is missing; run `python -m lab images`")
    return str(found["Id"])


def build(name: str, context: Path, content: str, *options: str) -> None:
    """Build `context` as image `name`, labelled with the hash of what it was made from.

    Raises:
        LabError: the build failed; the message ends with its last lines.
    """
    stamps = ("--label", f"{LABEL}=1", "--label", f"{HASH_LABEL}={content}")
    docker("build", "--progress=plain", "--tag", name, *stamps, *options, str(context), timeout=540)


def pull(name: str) -> bool:
    """Fetch the official image and tell whether that worked."""
    return hub_answers() and attempt(["docker", "pull", "--quiet", name], timeout=300).returncode == 0


def ensure_debian() -> None:
    """Have debian:trixie-slim in the engine."""
    content = content_hash(OPTIONS, [DOCKER_CLEAN])
    if is_current(DEBIAN, content, official=True):
        return
    with step(f"image {DEBIAN}"):
        if not pull(DEBIAN):
            with tempfile.TemporaryDirectory() as folder:
                root = Path(folder) / "root.tar"
                build_root(root)
                changes = [f"LABEL {LABEL}=1 {HASH_LABEL}={content}", 'CMD ["bash"]']
                docker("import", *(word for line in changes for word in ("--change", line)), str(root), DEBIAN)


def find_interpreter() -> Path | None:
    """Return the folder of a CPython 3.12 that stands on its own (pyenv's, uv's, python.org's), or None."""
    ask = "import sys; print(sys.base_prefix if sys.version_info[:2] == (3, 12) else '')"
    pyenv = sorted(Path.home().glob(".pyenv/versions/3.12*/bin/python3.12"), reverse=True)
    for candidate in (sys.executable, shutil.which("python3.12"), *map(str, pyenv)):
        done = subprocess.run([candidate, "-c", ask], capture_output=True, text=True) if candidate else None
        prefix = done.stdout.strip() if done else ""
        if prefix not in ("", "/usr"):  # /usr is the system's own Python: it cannot be copied on its own
            return Path(prefix)
    return None


def ensure_python() -> None:
    """Have python:3.12-slim in the engine."""
    folder = paths.IMAGES / "python"
    interpreter = find_interpreter()
    content = content_hash([image_id(DEBIAN), str(interpreter)], [folder])
    if is_current(PYTHON, content, official=True):
        return
    with step(f"image {PYTHON}"):
        if pull(PYTHON):
            return
        if interpreter is None:
            build(PYTHON, folder, content, "--file", str(folder / "debian.Dockerfile"))
        else:
            build(PYTHON, folder, content, "--build-context", f"interpreter={interpreter}")


def ensure(image: Image) -> None:
    """Have one image, built where it is not official, in the engine."""
    folder = paths.IMAGES / image.folder
    arguments = [word for name, value in image.arguments.items() for word in ("--build-arg", f"{name}={value}")]
    content = content_hash([image_id(image.base), *arguments], [folder])
    if is_current(image.name, content, image.official):
        return
    with step(f"image {image.name}"):
        if not (image.official and pull(image.name)):
            build(image.name, folder, content, *arguments)


def ensure_all() -> None:
    """Have every image of the lab in the engine."""
    ensure_debian()
    ensure_python()
    for image in (*SERVICES, REGISTRY, HOST):
        ensure(image)
