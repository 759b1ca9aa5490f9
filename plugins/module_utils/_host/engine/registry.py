# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image at its registry: what a tag points to, and the pull."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import CommandTimeout, run
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import Listener
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError


def registry_of(image: str) -> str:
    """Return the name under which Docker knows the credentials for `image`: its host, or Docker Hub's old address."""
    host, slash, dummy = image.partition("/")
    named = bool(slash) and ("." in host or ":" in host or host == "localhost")
    return host if named and host != "docker.io" else "https://index.docker.io/v1/"


_PULL_ERRORS = (
    ("DISK_SPACE", ("no space left",)),
    ("REGISTRY_AUTH", ("unauthorized", "authentication required", "access denied", "denied:", "no basic auth")),
    ("IMAGE_NOT_FOUND", ("manifest unknown", "not found", "repository name not known")),
    (
        "REGISTRY_UNREACHABLE",
        (
            "connection refused",
            "no such host",
            "x509",
            "timeout",
            "deadline exceeded",
            "eof",
            "connection reset",
            "no route",
        ),
    ),
)


def pull_error_code(stderr: str) -> str:
    """Return the failure code for what `docker pull` printed; PULL_FAILED when nothing matches."""
    text = stderr.lower()
    for code, signs in _PULL_ERRORS:
        if any(sign in text for sign in signs):
            return code
    return "PULL_FAILED"


# In memory: credentials never lie on a disk.
LOGIN_DIRECTORY = Path("/run")
TRIES = 3
TRY_INTERVAL = 1.0

_ADVICE = {
    "IMAGE_NOT_FOUND": "check image_tag (or image_digest) and app_image, and that the image was pushed",
    "REGISTRY_AUTH": "check app_registry_username and app_registry_password (vault.yml of your inventory)",
    "REGISTRY_UNREACHABLE": "check that this host reaches the registry, and its certificate (docker_engine_registry_certificates)",
    "PULL_TIMEOUT": "look at the network between this host and the registry, or raise app_release_pull_seconds",
    "DISK_SPACE": "free disk space in the engine's data directory: docker system df",
}


@dataclass(frozen=True)
class Remote:
    """An image at its registry.

    Args:
        digest: ``sha256:…``.
        platforms: operating system and architecture of each variant, as the registry names them.
    """

    digest: str
    platforms: List[Tuple[str, str]]


@dataclass(frozen=True)
class Registry:
    """Questions about one image to the registry it is at.

    Args:
        app: whose release it is; temporary files carry the name.
        image: repository without a tag.
        username: empty for anonymous.
        password: that user's.
        seconds: how long a question, or a pull, may take.
    """

    app: str
    image: str
    username: str
    password: str
    seconds: float

    def resolve(self, tag: str, digest: str = "") -> Remote:
        """Ask, through the engine and its settings, what `tag` points to, or for a digest, without pulling it.

        Source: Engine API, `DistributionInspect`.

        Raises:
            ReleaseError: IMAGE_NOT_FOUND, REGISTRY_AUTH, REGISTRY_UNREACHABLE (after some tries) or PULL_TIMEOUT.
        """
        reference = f"{self.image}@{digest}" if digest else f"{self.image}:{tag}"
        started = time.monotonic()
        for attempt in range(1, TRIES + 1):
            left = max(self.seconds - (time.monotonic() - started), 0.1)
            answer = Listener(socket_path=docker.ENGINE_SOCKET).get(f"/distribution/{reference}/json", left, self._login_header())
            if answer.status == 200:
                return _remote(answer.json())
            spent = time.monotonic() - started
            said = answer.error or str(answer.json().get("message", answer))
            if spent >= self.seconds:
                raise _error("PULL_TIMEOUT", f"asking for {reference} took longer than {self.seconds:g} s", said)
            code = pull_error_code(said)
            if code != "REGISTRY_UNREACHABLE":
                break
            if attempt < TRIES:
                time.sleep(TRY_INTERVAL)
        raise _error(code, f"cannot ask for {reference} ({attempt} tries in {spent:.1f} s)", said)

    def pull(self, digest: str) -> bool:
        """Have the image with this digest on the host; tell whether it was not there.

        Raises:
            ReleaseError: as `resolve`, and DISK_SPACE or PULL_FAILED.
        """
        reference = f"{self.image}@{digest}"
        if docker.has_image(reference):
            return False
        with self._login() as login:
            try:
                done = run(["docker", *login, "pull", "--quiet", reference], self.seconds)
            except CommandTimeout as error:
                raise _error("PULL_TIMEOUT", f"pulling {reference} took longer than {self.seconds:g} s", *error.details) from error
        if done.code:
            raise _error(pull_error_code(done.err), f"cannot pull {reference}", *done.err.splitlines()[-5:])
        return True

    def _login_header(self) -> Dict[str, str]:
        if not self.username:
            return {}
        login = json.dumps({"username": self.username, "password": self.password, "serveraddress": registry_of(self.image)})
        return {"X-Registry-Auth": base64.urlsafe_b64encode(login.encode()).decode()}

    @contextmanager
    def _login(self) -> Iterator[List[str]]:
        """Yield CLI options that carry the credentials in a private directory, which is removed afterwards.

        Unlike `docker login`, nothing is left on the host and nothing passes through a command line.
        """
        if not self.username:
            yield []
            return
        auth = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        directory = tempfile.mkdtemp(prefix=_login_prefix(self.app), dir=str(LOGIN_DIRECTORY))
        try:
            config = Path(directory, "config.json")
            config.touch(mode=0o600)
            config.write_text(json.dumps({"auths": {registry_of(self.image): {"auth": auth}}}), encoding="ascii")
            yield ["--config", directory]
        finally:
            shutil.rmtree(directory)


def remove_logins(paths: AppPaths) -> None:
    """Remove credentials that a pull left when it was killed."""
    for directory in LOGIN_DIRECTORY.glob(f"{_login_prefix(paths.app)}*"):
        shutil.rmtree(directory, ignore_errors=True)


def _login_prefix(app: str) -> str:
    # No app's name has a dot, so the prefix of shop does not fit shop-2.
    return f"fairlead-registry-{app}."


def _remote(answer: Dict[str, Any]) -> Remote:
    platforms = [(str(p.get("os", "")), str(p.get("architecture", ""))) for p in answer.get("Platforms") or []]
    return Remote(str(answer["Descriptor"]["digest"]), platforms)


def _error(code: str, what: str, *details: str) -> ReleaseError:
    return ReleaseError(code, what, _ADVICE.get(code, "see the engine's output below"), details)
