"""What the checks of a host make of what they find there."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.entry import ENDS, PHASES

from lab.invariants import Facts, untrue_journal, violations


def record(**content: Any) -> str:
    """Return a record with the checksum that fits."""
    return json.dumps({**content, "checksum": hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()})


def journal(phase: str = "COMMITTED", release: str | None = "r2", before: str | None = "r1") -> str:
    return record(schema=1, phase=phase, release=release, **{"from": before})


def ledger(**statuses: str) -> str:
    releases = [
        {"id": release, "status": status, "image": {"repository": "shop", "digest": f"sha256:{release}"}}
        for release, status in statuses.items()
    ]
    return record(schema=1, next=9, releases=releases)


def container(release: str, running: bool = True, restart: str = "unless-stopped", **labels: str) -> dict[str, Any]:
    return {
        "Name": f"/shop-{release}-api-1",
        "Config": {"Image": f"shop@sha256:{release}", "Labels": {"fairlead.release": release, **labels}},
        "State": {"Running": running},
        "HostConfig": {"RestartPolicy": {"Name": restart}},
        "NetworkSettings": {"Networks": {"data": {"IPAddress": f"10.0.0.{release[1:]}"}}},
    }


SESSION = {"pid": 7, "address": "10.0.0.2", "state": "idle", "query": "SELECT 1"}
WELL = Facts(
    route="r2\n",
    journal=journal(),
    ledger=ledger(r1="kept", r2="live"),
    containers=[container("r2"), container("r1", running=False)],
    bundles={"r1": "{}", "r2": "{}"},
    sockets=["r1", "r2"],
    sessions=[SESSION],
    answer=(200, "r2"),
)
NOTHING_YET = Facts()
FAILED_FIRST = Facts(journal=journal("ABORTED", "r1", None), ledger=ledger(r1="failed"))


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(WELL, id="one release serves"),
        pytest.param(NOTHING_YET, id="provisioned only"),
        pytest.param(FAILED_FIRST, id="the first deploy failed"),
        pytest.param(replace(WELL, journal=journal("ABORTED", "r3", "r2")), id="a deploy failed"),
        pytest.param(replace(WELL, journal=journal("REVERTED", "r3", "r2")), id="a release was put back"),
        pytest.param(replace(WELL, containers=[container("r2")]), id="the kept container was removed"),
    ],
)
def test_nothing_is_wrong(facts: Facts) -> None:
    assert list(violations(facts)) == []


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        (replace(WELL, answer=None), "I1: the route names 'r2', but status and release of the answer are None"),
        (replace(WELL, answer=(502, "")), "I1: the route names 'r2', but status and release of the answer are (502, '')"),
        (replace(WELL, answer=(200, "r1")), "I1: the route names 'r2', but status and release of the answer are (200, 'r1')"),
        (replace(WELL, journal=None), "I2: the journal is missing"),
        (replace(WELL, ledger=None), "I2: the ledger is missing"),
        (replace(WELL, journal=journal().replace("r1", "r7")), "I2: the journal is damaged"),
        (replace(WELL, journal="[]"), "I2: the journal is damaged"),
        (replace(WELL, ledger=ledger(r1="live")[:-3]), "I2: the ledger is damaged"),
        (replace(NOTHING_YET, journal=""), "I2: the journal is damaged"),
        (replace(WELL, journal=journal("READY")), "I2: the journal says READY, so the run of r2 was not ended"),
        (replace(WELL, journal=journal("ABORTED")), "I2: the journal says ABORTED (release r2, from r1), but r2 is live"),
        (replace(WELL, ledger=ledger(r1="live", r2="live")), "I2: the ledger says that ['r1', 'r2'] are live, the route says r2"),
        (replace(WELL, ledger=ledger(r1="kept", r2="live", r3="prepared")), "I2: the ledger still has ['r3'] as prepared"),
        (replace(WELL, bundles={"r2": "{}"}), "I2: the ledger has ['r1', 'r2'] as live or kept, but there are bundles of ['r2']"),
        (
            replace(WELL, bundles={"r1": "{}", "r2": "{}", "r3": None}),
            "I2: the ledger has ['r1', 'r2'] as live or kept, but there are bundles of ['r1', 'r2', 'r3']",
        ),
        (replace(WELL, sockets=["r1", "r2", "r3"]), "I3: directories for sockets of ['r3'], which are not kept"),
        (replace(WELL, locked=True), "I3: a process holds the lock of a running stage"),
        (replace(WELL, temporary=["/opt/x/.journal.json.ab"]), "I3: /opt/x/.journal.json.ab is left over"),
        (replace(WELL, containers=[container("r2", restart="no")]), "I3: shop-r2-api-1 would not come back after a reboot"),
        (
            replace(WELL, sessions=[{**SESSION, "address": "10.0.0.9"}]),
            "I3: a session of 10.0.0.9, where no release runs, is left at the database: 'SELECT 1'",
        ),
        (
            replace(WELL, containers=[container("r2"), container("r1")]),
            "I3: r2 is live, and these run: ['shop-r1-api-1', 'shop-r2-api-1']",
        ),
        (
            replace(WELL, containers=[container("r2"), container("r3", running=False)]),
            "I3: shop-r3-api-1 is left of a release that is not kept",
        ),
        (
            replace(WELL, containers=[container("r2"), container("r1", running=False, **{"com.docker.compose.oneoff": "True"})]),
            "I3: shop-r1-api-1 is left of a migration",
        ),
    ],
)
def test_what_is_wrong_is_reported(facts: Facts, found: str) -> None:
    assert list(violations(facts)) == [found]


def test_a_container_that_stopped_is_reported_with_its_session() -> None:
    facts = replace(WELL, containers=[container("r2", running=False)], answer=(502, ""))
    assert [sentence[:3] for sentence in violations(facts)] == ["I1:", "I3:", "I3:"]


def test_another_image_than_recorded_is_reported() -> None:
    other = container("r2")
    other["Config"]["Image"] = "shop:latest"
    (found,) = violations(replace(WELL, containers=[other]))
    assert found == "I2: shop-r2-api-1 runs shop:latest, the ledger says shop@sha256:r2"


@pytest.mark.parametrize("phase", [*PHASES, *ENDS])
def test_only_the_ends_of_a_run_are_taken_as_ends(phase: str) -> None:
    live = {"COMMITTED": "r2"}.get(phase, "r1")
    found = list(untrue_journal({"phase": phase, "release": "r2", "from": "r1"}, live))
    assert bool(found) == (phase not in ENDS)
