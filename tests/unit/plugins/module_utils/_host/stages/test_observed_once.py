"""A stage looks at the host once, under the lock, and decides on what it saw."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.stage import Stage
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages.release_prepare import run as prepare
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages.release_status import run as status
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages.release_target import run as choose
from fakes import good
from fakes_host import Host

WATCHED = ("route", "ledger.json", "release.json")


@pytest.fixture
def observed(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count how often the live release's records are read, and the engine is asked for the app's containers."""
    host.serves("v1", "v2")
    host.answers.of["r2"] = good("r2")
    counts: Counter[str] = Counter()
    read, containers = Path.read_text, docker.containers

    def reading(file: Path, *arguments: Any, **options: Any) -> str:
        if file.name in WATCHED and "r1" not in file.parts:
            counts[file.name] += 1
        return read(file, *arguments, **options)

    def asking(app: str, release: str | None = None) -> list[dict[str, Any]]:
        counts["containers"] += 1
        return containers(app, release)

    monkeypatch.setattr(Path, "read_text", reading)
    monkeypatch.setattr(docker, "containers", asking)
    yield counts


ONCE = {"route": 1, "ledger.json": 1, "release.json": 1, "containers": 1}


@pytest.mark.parametrize(
    ("stage", "tag", "check_mode"),
    [
        (prepare, "v2", False),
        (prepare, "v2", True),
        (prepare, "v3", True),
        (choose, "", False),
        (choose, "", True),
        (status, "", False),
    ],
    ids=["the same again", "the same again, checked", "a new release, checked", "a rollback", "a rollback, checked", "status"],
)
def test_a_stage_observes_the_host_once(
    host: Host, observed: Counter[str], stage: Callable[[Stage], Any], tag: str, check_mode: bool
) -> None:
    stage(host.stage(tag, check_mode))
    assert observed == ONCE


def test_a_new_release_adds_only_reads_of_its_own_bundle(host: Host, observed: Counter[str]) -> None:
    prepare(host.stage("v3"))
    assert observed == {**ONCE, "release.json": 3}
