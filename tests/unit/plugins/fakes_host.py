"""A host as the stages see it, and releases to put on it."""

import os
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import site
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.docker import LASTING
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle_write import Bundle
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import Ledger, read_route, write_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import Release, Schema
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.entry import PHASES, Entry
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.journal import Journal
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.domains import normalised
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import Migration
from fakes import APP, IMAGE, Answers, FakeEdge, FakeEngine, container, digest_of
from fakes_database import BACKUP, FakeDatabase
from fakes_units import Units

SECRET = "s3cr3t-of-the-database"
SETTINGS: Settings = {
    "domain": "shop.lab",
    "listen": "socket",
    "port": 8000,
    "networks": [APP, f"{APP}-data"],
    "user": f"{os.getuid()}:{os.getgid()}",  # nobody but root may give files away
    "migrate": True,
    "migrate_command": ["alembic", "upgrade", "head"],
    "migrate_before_command": [],
    "migrate_after_command": [],
    "migrate_pending_command": [],
    "migrate_version_table": "alembic_version",
    "migrate_seconds": 600,
    "migrate_lock_tries": 3,
    "migrate_backup": True,
    "live_path": "/health",
    "ready_path": "/ready",
    "docs_path": "/docs",
    "identity": "header:X-Release",
    "pull_seconds": 600,
    "ready_seconds": 60.0,
    "ready_successes": 2,
    "bake_seconds": 10.0,
    "bake_errors": 0.05,
    "drain_seconds": 0.5,
    "request_seconds": 25,
    "stop_grace_seconds": 40,
    "keep": 3,
    "disk_megabytes": 0,
    "memory_bytes": 0,
    "public_address": "127.0.0.1",
    "public_port": 443,
    "public_authority": "/nonexistent.pem",
}


def settings_with(**changes: Any) -> Settings:
    """Return the settings of a release, with some of them changed."""
    return cast(Settings, {**SETTINGS, **changes})


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
        settings=settings_with(),
    )
    return replace(whole, **changes)


def write(content: Bundle, paths: AppPaths, release: str, previous: str | None = None) -> None:
    """Write the bundle of a release that is made from this."""
    content.write(paths, content.release(release, previous))


def released(tag: str = "v1", paths: AppPaths | None = None) -> Release:
    """Return a release as a deploy prepares it; with `paths`, the next one there, on record."""
    if paths is None:
        return bundle(tag).release("r1")
    ledger = Ledger(paths)
    release = bundle(tag).release(ledger.next_id)
    ledger.add(release)
    return release


def tree(*roots: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and content of all that is under `roots`."""
    entries = [path for root in roots for path in sorted(root.rglob("*"))]
    return {str(p): (p.stat().st_mode, p.read_bytes() if p.is_file() else b"") for p in entries}


class Clock:
    """Time that passes only while somebody sleeps; `while_asleep` is what happens then."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.while_asleep: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.while_asleep()


class Background:
    """A thread pool whose only job is done when the clock says that it took `seconds`."""

    def __init__(self, clock: Clock) -> None:
        self.seconds = 0.0
        self._clock = clock

    def __call__(self, workers: int) -> "Background":
        return self

    def __enter__(self) -> "Background":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable[..., None], *arguments: object) -> "Future[None]":
        ends, clock = self._clock.now + self.seconds, self._clock

        class Job(Future[None]):
            def done(self) -> bool:
                return clock.now >= ends

            def result(self, timeout: float | None = None) -> None:
                work(*arguments)

        return Job()


@dataclass
class Host:
    paths: AppPaths
    engine: FakeEngine
    answers: Answers
    edge: FakeEdge
    clock: Clock
    background: Background
    units: Units

    @property
    def live(self) -> str | None:
        return read_route(self.paths)

    @property
    def database(self) -> FakeDatabase:
        return self.engine.database

    @property
    def entry(self) -> Entry:
        """The journal, whoever wrote it."""
        found = Journal(self.paths, "", "", 0).last()
        assert found is not None
        return found

    @property
    def phases(self) -> list[str]:
        return [phase["phase"] for phase in self.entry.phases]

    @property
    def leased(self) -> bool:
        """Whether the run goes on after this stage."""
        return self.entry.expires is not None and self.entry.expires > self.clock.now

    @property
    def unfinished(self) -> bool:
        return Journal(self.paths, "", "", 0).unfinished() is not None

    def record(self, release: str) -> Release:
        return Ledger(self.paths).get(release)

    def schema(self, release: str) -> Schema:
        found = self.record(release).schema
        assert found is not None
        return found

    def statuses(self) -> dict[str, str]:
        return {release.id: release.status for release in Ledger(self.paths).releases}

    def files(self) -> dict[str, tuple[int, bytes]]:
        return tree(self.paths.config_root, self.paths.run_root)

    def files_but_journal(self) -> dict[str, tuple[int, bytes]]:
        return {name: entry for name, entry in self.files().items() if not name.startswith(str(self.paths.journal))}

    def journal(self, run: str = "run1", owner: str = "alice@laptop", lease_seconds: float = 60) -> Journal:
        return Journal(self.paths, run, owner, lease_seconds)

    def holds(self, run: str = "run1", owner: str = "alice@laptop", release: str | None = None) -> None:
        """Have a run between two stages, after the one that prepared `release`."""
        journal = self.journal(run, owner)
        journal.begin("deploy", self.live)
        if release is not None:
            journal.enter("PREPARED", release)
        journal.pause()

    def prepared(self, tag: str, **changes: Any) -> str:
        """Have a release prepared, as the first stage leaves it, and return its id."""
        content, ledger = bundle(tag, **changes), Ledger(self.paths)
        release = content.release(ledger.next_id, self.live)
        ledger.add(release)
        content.write(self.paths, release)
        ledger.note_schema(release.id, Schema("alembic", list(self.database.revision)))
        self.engine.images.add(release.image.reference)
        return release.id

    def serves(self, *tags: str, **changes: Any) -> str:
        """Have releases deployed one after the other, and return the id of the last."""
        for tag in tags:
            release = self.prepared(tag, **changes)
            for old in self.engine.present.values():
                old["State"]["Running"] = False
            self.is_switched_to(release)
        return release

    def migrates(self, tag: str, *migrations: Migration, backup: str | None = BACKUP) -> str:
        """Have a release deployed that brought the database on, and return its id."""
        self.database.revision = [migrations[-1].revision]
        release = self.serves(tag)
        before, brought = list(migrations[0].down), list(migrations)
        Ledger(self.paths).note_schema(release, replace(self.schema(release), before=before, migrations=brought, backup=backup))
        return release

    def has_site(self, *domains: dict[str, Any], **written_for: Any) -> None:
        """Have the proxy's site of the app written."""
        file = site.site_file(APP, site.EDGE)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(site.Site(normalised(domains or ({"name": "shop.lab"},)), **{"listen": "socket", **written_for}).record())

    def is_switched_to(self, release: str) -> None:
        """Have a release started, kept running, and live."""
        self.engine.up(self.paths.bundle(release))
        started = self.engine.present[release]
        started["HostConfig"]["RestartPolicy"]["Name"] = LASTING
        write_route(self.paths, release)
        ledger = Ledger(self.paths)
        ledger.get(release).container = started["Id"]
        ledger.mark_live(release)

    def died_at(self, phase: str, tag: str = "v2", run: str = "run0", owner: str = "bob@ci") -> str | None:
        """Have a deploy die as soon as it wrote this phase, and return the id of its release, if it had one yet."""
        journal = self.journal(run, owner)
        journal.begin("deploy", self.live)
        release: str | None = None
        for reached in PHASES[1 : PHASES.index(phase) + 1]:
            if reached == "PREPARED":
                release = self.prepared(tag)
            self._does(reached, str(release))
            journal.enter(reached, release)
        return release

    def _does(self, phase: str, release: str) -> None:
        """Do what a deploy has done when it writes this phase."""
        present = self.engine.present
        if phase == "MIGRATING":
            present[f"{release}-migrate"] = container(release, "migrate")
        elif phase == "MIGRATED":
            del present[f"{release}-migrate"]
        elif phase == "STARTED":
            self.engine.up(self.paths.bundle(release))
            self.paths.socket_dir(release).mkdir()
        elif phase == "SWITCHED":
            present[release]["HostConfig"]["RestartPolicy"]["Name"] = LASTING
            write_route(self.paths, release)
        elif phase == "BAKED":
            Ledger(self.paths).mark_live(release)
        elif phase == "COMMITTED":
            for name, old in present.items():
                old["State"]["Running"] = name == release

    def stage(self, tag: str = "v2", check_mode: bool = False, **params: Any) -> Stage:
        """Return a stage with options for whichever module; `params` win."""
        content = asdict(bundle(tag))
        login = {"registry_username": "", "registry_password": ""}
        own: dict[str, Any] = {
            "run": "run1",
            "owner": "alice@laptop",
            "release": "",
            "schema": "",
            "controller_clock": None,
            "strict": False,
            "migrations": [],
            "warm_seconds": 0.0,
            "digest": "",
        }
        return Stage({**content, **login, **own, **params}, check_mode)
