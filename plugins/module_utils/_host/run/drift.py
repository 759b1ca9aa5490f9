# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs on a host compared with what was recorded; values are never shown."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, List, Mapping, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import edge as _edge
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import bundle, dotenv
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.containers import Container
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import LIVE, Release
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.snapshot import Snapshot

# Where provisioning notes the files that it wrote, as `sha256sum` does; the proxy's also apart for each app's site.
RECORDED = "recorded.sha256"


@dataclass
class Drift:
    """Sentences on what differs.

    Args:
        of_release: a deploy of the same tag removes these: it makes the release anew.
        of_host: provisioning removes these.
    """

    of_release: List[str] = field(default_factory=list)
    of_host: List[str] = field(default_factory=list)

    @property
    def all(self) -> List[str]:
        return self.of_release + self.of_host


def findings(paths: AppPaths, seen: Snapshot) -> Drift:
    """Compare route, bundle, container, environment, edge and data services with their records."""
    edge = paths.config_root / "edge"
    records = (edge / RECORDED, edge / f"recorded-{paths.app}.sha256", paths.home / "data" / RECORDED)
    host = [sentence for record in records for sentence in _changed_files(record)]
    host += _services(_edge.PROJECT) + _services(f"{paths.app}-data")
    if seen.route is None and not any(release.status == LIVE for release in seen.ledger.releases):
        return Drift(of_host=host)  # nothing was ever live
    problem = _route(paths, seen)
    if problem or seen.bundle is None or seen.release is None:
        return Drift([problem], host)
    return Drift(_release(paths, seen.bundle, seen.release, seen.container), host)


def edited(paths: AppPaths, record: bundle.BundleRecord) -> List[str]:
    """Return what was changed by hand in a release's bundle."""
    directory = paths.bundle(record.release.id)
    return [f"{directory}/{name} was {how}" for name, how in _changes(record.files, bundle.checksums(directory))]


def _route(paths: AppPaths, seen: Snapshot) -> str:
    """Say why what the route names cannot be compared; empty when it can."""
    if seen.route is None:
        return "the route is missing"
    if seen.live is None:
        return f"the route says {seen.route!r}, which is no release's id"
    if seen.bundle is None:
        return f"{paths.bundle(seen.live)} is damaged or gone, which {seen.live} runs from"
    if seen.release is None:
        return f"the route names {seen.live}, which is not in the record of releases"
    return ""


def _release(paths: AppPaths, record: bundle.BundleRecord, release: Release, container: Optional[Container]) -> List[str]:
    found, live, image = edited(paths, record), release.id, record.release.image.reference
    if container is None:
        return [*found, f"the container of {live} is gone"]
    if container["Config"]["Image"] != image:
        found.append(f"the container of {live} runs {container['Config']['Image']} instead of {image}")
    recorded = release.container
    if recorded and recorded != container["Id"]:
        found.append(f"the container of {live} is another one than the one that was put into service")
    return found + _environment(paths, live, container)


def _changes(recorded: Mapping[str, str], present: Mapping[str, str]) -> List[Any]:
    """Return pairs of a file's name and what happened to it."""
    names = sorted({*recorded, *present})
    how = {name: "added" if name not in recorded else "removed" if name not in present else "edited" for name in names}
    return [(name, how[name]) for name in names if recorded.get(name) != present.get(name)]


def _environment(paths: AppPaths, live: str, container: Container) -> List[str]:
    file = paths.bundle(live) / bundle.ENVIRONMENT
    wanted = dotenv.parse(file.read_text(encoding="utf-8")) if file.is_file() else {}
    has = dict(entry.partition("=")[::2] for entry in container["Config"].get("Env") or [])
    differing = sorted(name for name, value in wanted.items() if has.get(name) != value)
    return [f"in the container of {live}, these variables differ from its bundle: {', '.join(differing)}"] if differing else []


def _changed_files(recorded: Path) -> List[str]:
    """Compare files with the checksums that provisioning noted."""
    found = []
    for line in recorded.read_text(encoding="utf-8").splitlines() if recorded.is_file() else []:
        checksum, dummy, name = line.partition("  ")
        file = Path(name)
        if not file.is_file():
            found.append(f"{name} was removed")
        elif hashlib.sha256(file.read_bytes()).hexdigest() != checksum:
            found.append(f"{name} was edited")
    return found


def _services(project: str) -> List[str]:
    """Look whether what provisioning started still runs and is healthy."""
    found = []
    for container in docker.project_containers(project):
        state = container["State"]
        health = (state.get("Health") or {}).get("Status")
        if not state["Running"] or health == "unhealthy":
            found.append(f"{container['Name'].lstrip('/')} is {state['Status'] if not state['Running'] else health}")
    return found
