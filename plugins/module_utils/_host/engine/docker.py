# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Docker Engine: questions over its socket, everything else by the CLI."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple
from urllib.parse import quote

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished, run
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import Listener
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

ENGINE_SOCKET = Path("/var/run/docker.sock")
QUESTION_SECONDS = 30.0
REGISTRY_SECONDS = 10.0  # one that does not answer soon is not waited for
ANSWER_BYTES = 16 * 1024 * 1024
COMPOSE = "compose.yaml"
APP_LABEL = "fairlead.app"
RELEASE_LABEL = "fairlead.release"
# Restart policy of a release that was put into service.
LASTING = "unless-stopped"
# Time for a container to end after SIGKILL, on top of its stop grace.
KILL_SECONDS = 20.0
# The longest pause that a container may take to stop, and time to start again.
RESTART_SECONDS = 600.0


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


@dataclass(frozen=True)
class Engine:
    """What the engine is and where it keeps images.

    Args:
        platform: operating system and architecture, as registries name them.
        data: its data directory on this host.
        live_restore: whether containers outlive its restart.
    """

    platform: Tuple[str, str]
    data: Path
    live_restore: bool


@cache
def engine() -> Engine:
    """Ask the engine about itself, once.

    Raises:
        ReleaseError: COMMAND_MISSING or DOCKER_DOWN.
    """
    if shutil.which("docker") is None:
        raise ReleaseError("COMMAND_MISSING", "docker is not installed on this host", "run playbooks/provision.yml first")
    version, info = about()
    return Engine((version["Os"], version["Arch"]), Path(info["DockerRootDir"]), bool(info.get("LiveRestoreEnabled")))


def about() -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """Return what the engine says of its version and of itself.

    Raises:
        ReleaseError: DOCKER_DOWN.
    """
    return _ask("/version"), _ask("/info")


def all_containers() -> List[Dict[str, Any]]:
    """Return all containers of the engine, as `docker ps --all` lists them."""
    return list(_ask("/containers/json?all=true"))


def compose_version() -> Optional[str]:
    """Return the Compose plugin's version, or None when it is not installed."""
    done = run(["docker", "compose", "version", "--short"])
    return None if done.code else done.out.strip()


def missing_networks(names: Sequence[str]) -> List[str]:
    """Return those of `names` that are not networks of this engine."""
    present = {network["Name"] for network in _ask("/networks")}
    return [name for name in names if name not in present]


def _image(reference: str) -> Dict[str, Any]:
    return _ask(f"/images/{reference}/json") or {}


def has_image(reference: str) -> bool:
    """Tell whether `reference` is on this host."""
    return image_size(reference) is not None


def image_size(reference: str) -> Optional[int]:
    """Return the bytes that an image takes when it is unpacked, or None when it is not on this host."""
    image = _image(reference)
    return int(image["Size"]) if image else None


def image_id(reference: str) -> str:
    """Return what the engine calls an image on this host; empty when it is not there."""
    return str(_image(reference).get("Id", ""))


def image_volumes(reference: str) -> List[str]:
    """Return the paths that an image on this host declares as VOLUME."""
    return sorted((_image(reference).get("Config") or {}).get("Volumes") or {})


def volume(name: str) -> Optional[Dict[str, Any]]:
    """Return what the engine knows of a volume, or None when there is none of that name."""
    found: Optional[Dict[str, Any]] = _ask(f"/volumes/{name}")
    return found


def create_volume(name: str, app: str) -> None:
    """Create a volume of an app."""
    _check(run(["docker", "volume", "create", "--label", f"{APP_LABEL}={app}", name]), f"creating the volume {name}")


def entrypoint(reference: str) -> List[str]:
    """Return the entrypoint that an image on this host declares."""
    return list((_image(reference).get("Config") or {}).get("Entrypoint") or [])


def digests(reference: str) -> List[str]:
    """Return the digests that an image on this host has in its registry; none when it is not here, or was never in one."""
    return [digest.partition("@")[2] for digest in _image(reference).get("RepoDigests") or []]


def newer(reference: str, present: Sequence[str]) -> str:
    """Return the digest that a tag means in its registry, where none of `present` is it; empty too when nobody can tell."""
    if "@" in reference or not present:
        return ""
    answer = Listener(socket_path=ENGINE_SOCKET).get(f"/distribution/{reference}/json", REGISTRY_SECONDS)
    digest = str(answer.json()["Descriptor"]["digest"]) if answer.status == 200 else ""
    return "" if digest in present else digest


def remove_image(reference: str) -> None:
    """Remove an image unless a container still uses it."""
    if has_image(reference):
        run(["docker", "image", "rm", reference])


def containers(app: str, release: Optional[str] = None) -> List[Dict[str, Any]]:
    """Return `docker inspect` of the app's containers, running or not, of one release or of all."""
    return _labelled([f"{APP_LABEL}={app}"] + ([f"{RELEASE_LABEL}={release}"] if release else []))


def project_containers(project: str) -> List[Dict[str, Any]]:
    """Return `docker inspect` of a Compose project's containers, running or not."""
    return _labelled([f"com.docker.compose.project={project}"])


def container_state(identifier: str) -> Optional[Dict[str, Any]]:
    """Return a container's state as `docker inspect` has it, with its number of restarts, or None when it is gone."""
    container = _ask(f"/containers/{identifier}/json")
    return container and {**container["State"], "RestartCount": container.get("RestartCount", 0)}


def processes(identifier: str) -> List[int]:
    """Return the ids, as the host knows them, of a container's processes; none when it does not run."""
    answer = Listener(socket_path=ENGINE_SOCKET).get(f"/containers/{identifier}/top", QUESTION_SECONDS, body_bytes=ANSWER_BYTES)
    if answer.status != 200:
        return []  # it ended a moment ago
    told = answer.json()
    column = told["Titles"].index("PID")
    return [int(process[column]) for process in told["Processes"] or []]


def memory_used(identifier: str) -> Optional[int]:
    """Return the bytes of memory that a container uses, without its file cache; None when the engine does not tell."""
    stats = (_ask(f"/containers/{identifier}/stats?stream=false&one-shot=true") or {}).get("memory_stats") or {}
    if "usage" not in stats:
        return None
    cache = stats.get("stats", {}).get("total_inactive_file", stats.get("stats", {}).get("inactive_file", 0))
    return int(stats["usage"]) - int(cache)


def _labelled(labels: List[str]) -> List[Dict[str, Any]]:
    filters = quote(json.dumps({"label": labels}))
    listed = [_ask(f"/containers/{c['Id']}/json") for c in _ask(f"/containers/json?all=true&filters={filters}")]
    # One that was removed between the two questions is simply gone.
    return [container for container in listed if container is not None]


def log_tail(identifier: str, lines: int) -> List[str]:
    """Return the last log lines of a container, standard output and error together."""
    return run(["docker", "logs", "--tail", str(lines), identifier], merge=True).out.splitlines()


def stop(identifier: str, seconds: int) -> None:
    """Send the container its stop signal and wait; after `seconds` it is killed."""
    _check(run(["docker", "stop", "--time", str(seconds), identifier], seconds + KILL_SECONDS), "stopping the old release")


def start(identifier: str) -> bool:
    """Start a container unless it runs, and tell whether the engine could."""
    return run(["docker", "start", identifier], RESTART_SECONDS).code == 0


def restart(identifier: str) -> None:
    """Stop a container as its own settings say, and start it again."""
    _check(run(["docker", "restart", identifier], RESTART_SECONDS), "starting the release again")


def remove(identifier: str) -> None:
    """Remove a container, running or not; no error when it is gone."""
    run(["docker", "rm", "--force", "--volumes", identifier])


def keep_running(identifier: str, lasting: bool = True) -> None:
    """Have the engine start the container again after a crash or a reboot, or leave it alone."""
    _check(run(["docker", "update", "--restart", LASTING if lasting else "no", identifier]), "setting the restart policy")


def is_kept_running(container: Dict[str, Any]) -> bool:
    """Tell whether `keep_running` was called for what `containers` returned."""
    return bool(container["HostConfig"]["RestartPolicy"]["Name"] == LASTING)


def compose(project: str, directory: Path, *arguments: str, seconds: float = 60.0, merge: bool = False) -> Finished:
    """Run Compose on the bundle in `directory` and return what it left; the exit code is the caller's to judge."""
    own = ("--project-name", project, "--project-directory", str(directory), "--file", str(directory / COMPOSE))
    return run(["docker", "compose", *own, *arguments], seconds, cwd=str(directory), merge=merge)
