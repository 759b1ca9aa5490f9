# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Docker Engine: questions over its socket, everything else by the CLI.  Private to this collection."""

from __future__ import annotations

import base64
import json
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence
from urllib.parse import quote

from ansible_collections.fairlead.fastapi.plugins.module_utils._command import CommandTimeout, Finished, run
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._probe import Listener
from ansible_collections.fairlead.fastapi.plugins.module_utils._rules import pull_error_code, registry_of

ENGINE_SOCKET = Path("/var/run/docker.sock")
QUESTION_SECONDS = 30.0
ANSWER_BYTES = 16 * 1024 * 1024
APP_LABEL = "fairlead.app"
RELEASE_LABEL = "fairlead.release"
# Restart policy of a release that was put into service.
LASTING = "unless-stopped"
# Time for a container to end after SIGKILL, on top of its stop grace.
KILL_SECONDS = 20.0

_PULL_ADVICE = {
    "IMAGE_NOT_FOUND": "check image_tag and app_image, and that the image was pushed",
    "REGISTRY_AUTH": "check app_registry_username and app_registry_password (vault.yml of your inventory)",
    "REGISTRY_UNREACHABLE": "check that this host reaches the registry, and its certificate (docker_engine_registry_certificates)",
    "DISK_SPACE": "free disk space in the engine's data directory: docker system df",
}


def _check(done: Finished, doing: str) -> Finished:
    if done.code:
        raise ReleaseError(
            "DOCKER_FAILED",
            f"{doing} failed (exit code {done.code})",
            "see the output below",
            done.err.splitlines()[-20:],
        )
    return done


def _ask(path: str) -> Any:
    """Ask the engine itself: a question by the CLI costs some 50 ms of CPU, this one 2.  None: there is no such thing."""
    answer = Listener(socket_path=ENGINE_SOCKET).get(path, QUESTION_SECONDS, body_bytes=ANSWER_BYTES)
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise ReleaseError("DOCKER_DOWN", "the Docker Engine does not answer", "systemctl status docker", [str(answer)])
    return json.loads(answer.body)


def server_version() -> str:
    """Return the engine's version.

    Raises:
        ReleaseError: COMMAND_MISSING or DOCKER_DOWN.
    """
    if shutil.which("docker") is None:
        raise ReleaseError("COMMAND_MISSING", "docker is not installed on this host", "run playbooks/provision.yml first")
    return str(_ask("/version")["Version"])


def compose_version() -> Optional[str]:
    """Return the Compose plugin's version, or None when it is not installed."""
    done = run(["docker", "compose", "version", "--short"])
    return None if done.code else done.out.strip()


def missing_networks(names: Sequence[str]) -> List[str]:
    """Return those of `names` that are not networks of this engine."""
    present = {network["Name"] for network in _ask("/networks")}
    return [name for name in names if name not in present]


@contextmanager
def registry_login(image: str, username: str, password: str) -> Iterator[List[str]]:
    """Yield CLI options that carry the credentials in a private directory, which is removed afterwards.

    Unlike `docker login`, nothing is left on the host and nothing passes through a command line.
    """
    if not username:
        yield []
        return
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    directory = tempfile.mkdtemp(prefix="fairlead-registry-", dir="/run")
    try:
        config = Path(directory, "config.json")
        config.touch(mode=0o600)
        config.write_text(json.dumps({"auths": {registry_of(image): {"auth": auth}}}), encoding="ascii")
        yield ["--config", directory]
    finally:
        shutil.rmtree(directory)


def pull(reference: str, login: Sequence[str], seconds: float) -> str:
    """Pull `reference` and return its digest (``sha256:…``).

    Args:
        reference: repository with a tag or a digest.
        login: what `registry_login` yielded.
        seconds: how long it may take.

    Raises:
        ReleaseError: IMAGE_NOT_FOUND, REGISTRY_AUTH, REGISTRY_UNREACHABLE, DISK_SPACE, PULL_FAILED or PULL_TIMEOUT.
    """
    try:
        done = run(["docker", *login, "pull", reference], seconds)
    except CommandTimeout as error:
        raise ReleaseError(
            "PULL_TIMEOUT",
            f"pulling {reference} took longer than {seconds:g} s",
            "raise app_release_pull_seconds",
            error.details,
        ) from error
    if done.code:
        raise _pull_error(reference, done.err)
    # The image's own list of digests may name several; this line says which one the registry answered with.
    found = re.search(r"^Digest: (sha256:[0-9a-f]{64})$", done.out, re.MULTILINE)
    if not found:
        raise ReleaseError(
            "PULL_FAILED",
            f"the engine did not say which digest {reference} is",
            "see the output",
            done.out.splitlines(),
        )
    return found.group(1)


def _pull_error(reference: str, stderr: str) -> ReleaseError:
    code = pull_error_code(stderr)
    advice = _PULL_ADVICE.get(code, "see the output below")
    return ReleaseError(code, f"cannot pull {reference}", advice, stderr.splitlines()[-5:])


def remote_digest(reference: str, username: str, password: str, seconds: float) -> str:
    """Ask the registry, through the engine and its settings, what `reference` points to, without pulling it.

    Source: Engine API, `DistributionInspect`.

    Raises:
        ReleaseError: as `pull`.
    """
    headers = {}
    if username:
        login = json.dumps({"username": username, "password": password, "serveraddress": registry_of(reference)})
        headers["X-Registry-Auth"] = base64.urlsafe_b64encode(login.encode()).decode()
    answer = Listener(socket_path=ENGINE_SOCKET).get(f"/distribution/{reference}/json", seconds, headers)
    if answer.status != 200:
        raise _pull_error(reference, answer.error or str(answer.json().get("message", answer)))
    return str(answer.json()["Descriptor"]["digest"])


def has_image(reference: str) -> bool:
    """Tell whether `reference` is on this host."""
    return _ask(f"/images/{reference}/json") is not None


def remove_image(reference: str) -> None:
    """Remove an image unless a container still uses it."""
    if has_image(reference):
        run(["docker", "image", "rm", reference])


def containers(app: str, release: Optional[str] = None) -> List[Dict[str, Any]]:
    """Return `docker inspect` of the app's containers, running or not, of one release or of all."""
    labels = [f"{APP_LABEL}={app}"] + ([f"{RELEASE_LABEL}={release}"] if release else [])
    filters = quote(json.dumps({"label": labels}))
    listed = [_ask(f"/containers/{c['Id']}/json") for c in _ask(f"/containers/json?all=true&filters={filters}")]
    # One that was removed between the two questions is simply gone.
    return [container for container in listed if container is not None]


def running_releases(app: str) -> List[str]:
    """Return the ids of the app's releases of which anything runs."""
    return sorted({c["Config"]["Labels"][RELEASE_LABEL] for c in containers(app) if c["State"]["Running"]})


def log_tail(identifier: str, lines: int) -> List[str]:
    """Return the last log lines of a container, standard output and error together."""
    return run(["docker", "logs", "--tail", str(lines), identifier], merge=True).out.splitlines()


def stop(identifier: str, seconds: int) -> None:
    """Send the container its stop signal and wait; after `seconds` it is killed."""
    _check(run(["docker", "stop", "--time", str(seconds), identifier], seconds + KILL_SECONDS), "stopping the old release")


def remove(identifier: str) -> None:
    """Remove a container, running or not; no error when it is gone."""
    run(["docker", "rm", "--force", "--volumes", identifier])


def keep_running(identifier: str) -> None:
    """Have the engine start the container again after a crash or a reboot."""
    _check(run(["docker", "update", "--restart", LASTING, identifier]), "setting the restart policy")


def is_kept_running(container: Dict[str, Any]) -> bool:
    """Tell whether `keep_running` was called for what `containers` returned."""
    return bool(container["HostConfig"]["RestartPolicy"]["Name"] == LASTING)


def compose(project: str, directory: Path, *arguments: str, seconds: float = 60.0, merge: bool = False) -> Finished:
    """Run Compose on the bundle in `directory` and return what it left; the exit code is the caller's to judge."""
    command = ["docker", "compose", "--project-name", project, "--project-directory", str(directory), *arguments]
    return run(command, seconds, cwd=str(directory), merge=merge)
