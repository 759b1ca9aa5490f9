"""A host as the stages see it, and releases to put on it."""

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ansible_collections.fairlead.fastapi.plugins.module_utils._bundle import Bundle
from ansible_collections.fairlead.fastapi.plugins.module_utils._docker import LASTING
from ansible_collections.fairlead.fastapi.plugins.module_utils._files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._ledger import Lease, Ledger, read_route, write_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._rules import Record
from ansible_collections.fairlead.fastapi.plugins.module_utils._stage import Stage
from fakes import APP, IMAGE, Answers, FakeEngine, container, digest_of

SECRET = "s3cr3t-of-the-database"
SETTINGS: dict[str, Any] = {
    "domain": "shop.lab",
    "listen": "socket",
    "port": 8000,
    "networks": [APP, f"{APP}-data"],
    "user": f"{os.getuid()}:{os.getgid()}",  # nobody but root may give files away
    "migrate_seconds": 600,
    "live_path": "/health",
    "ready_path": "/ready",
    "docs_path": "/docs",
    "identity": "header:X-Release",
    "pull_seconds": 600,
    "ready_seconds": 60.0,
    "ready_successes": 2,
    "drain_seconds": 0.5,
    "stop_grace_seconds": 40,
    "keep": 3,
    "public_address": "127.0.0.1",
    "public_port": 443,
}


def bundle(tag: str = "v1", **changes: Any) -> Bundle:
    """Return a release's content."""
    whole = Bundle(
        app=APP,
        image=IMAGE,
        tag=tag,
        digest=digest_of(tag),
        compose="services: {}\n",
        environment={"LOG_LEVEL": "info"},
        secrets={"database_password": SECRET},
        secrets_as="file",
        settings=dict(SETTINGS),
    )
    return replace(whole, **changes)


def tree(*roots: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and content of all that is under `roots`."""
    entries = [path for root in roots for path in sorted(root.rglob("*"))]
    return {str(p): (p.stat().st_mode, p.read_bytes() if p.is_file() else b"") for p in entries}


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Host:
    paths: AppPaths
    engine: FakeEngine
    answers: Answers
    clock: Clock

    @property
    def live(self) -> str | None:
        return read_route(self.paths)

    @property
    def leased(self) -> bool:
        return self.paths.lease.exists()

    def record(self, release: str) -> Record:
        return Ledger(self.paths).get(release)

    def files(self) -> dict[str, tuple[int, bytes]]:
        return tree(self.paths.config_root, self.paths.run_root)

    def holds(self, run: str = "run1", owner: str = "alice@laptop") -> None:
        """Give the right to release to a run."""
        Lease(self.paths, run, owner).take(60)

    def prepared(self, tag: str, **changes: Any) -> str:
        """Have a release prepared, as the first stage leaves it, and return its id."""
        content = bundle(tag, **changes)
        fields = {"image": content.image, "tag": tag, "digest": content.digest, "previous": self.live}
        release = str(Ledger(self.paths).add(**fields)["id"])
        content.write(self.paths, release)
        self.engine.images.add(f"{content.image}@{content.digest}")
        return release

    def serves(self, *tags: str, **changes: Any) -> str:
        """Have releases deployed one after the other, and return the id of the last."""
        for tag in tags:
            release = self.prepared(tag, **changes)
            for old in self.engine.present.values():
                old["State"]["Running"] = False
            self.engine.present[release] = container(release)
            self.engine.present[release]["HostConfig"]["RestartPolicy"]["Name"] = LASTING
            write_route(self.paths, release)
            Ledger(self.paths).mark_live(release)
        return release

    def stage(self, tag: str = "v2", check_mode: bool = False, **params: Any) -> Stage:
        """Return a stage with options for whichever module; `params` win."""
        content = asdict(bundle(tag))
        login = {"registry_username": "", "registry_password": ""}
        own = {"run": "run1", "owner": "alice@laptop", "release": ""}
        return Stage(SimpleNamespace(params={**content, **login, **own, **params}, check_mode=check_mode))
