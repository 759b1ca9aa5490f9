"""What holds after every run on a host, whatever failed in it: checked from outside, against reality.

The numbers are those of docs/faults.md: I1 one release serves; I2 the records are whole and tell the truth; I3 nothing is left over;
I5 no secret is in a log; I6 the same deploy again changes nothing; I7 the release before can be gone back to.
I4, that no request failed, is for the tests with load.
"""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lab import paths
from lab.on_host import program

if TYPE_CHECKING:
    from lab.story import App

# PostgreSQL notices only after a moment that a client is gone.
SESSION_SECONDS = 5.0
POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Facts:
    """What `lab/on_host/observe.py` found, and what users get.

    `answer` is status and release id of the readiness answer through the edge; None where nothing is live. A release that does not
    say its id is taken at its word.
    """

    route: str | None = None
    journal: str | None = None
    ledger: str | None = None
    locked: bool = False
    containers: list[dict[str, Any]] = field(default_factory=list)
    bundles: dict[str, str | None] = field(default_factory=dict)
    sockets: list[str] = field(default_factory=list)
    temporary: list[str] = field(default_factory=list)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    answer: tuple[int, str] | None = None

    @property
    def live(self) -> str | None:
        """The release that the route names."""
        return self.route.strip() if self.route else None


def assert_tidy(app: "App") -> None:
    """Check I1 to I3, which is cheap enough for the end of every test.

    Raises:
        AssertionError: with everything that does not hold.
    """
    deadline = time.monotonic() + SESSION_SECONDS
    facts = observe(app)
    while list(stray_sessions(facts)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        facts = observe(app)
    found = list(violations(facts))
    assert not found, f"{app.name}:\n" + "\n".join(found)


def assert_all(app: "App") -> None:
    """Check every invariant, which takes two or three runs of playbooks.

    Raises:
        AssertionError: with what does not hold.
    """
    assert_tidy(app)
    assert_secrets_are_in_no_log(app)
    if observe(app).live is not None:
        assert_same_again_changes_nothing(app)
        assert_rollback_is_possible(app)
        assert_tidy(app)


def assert_secrets_are_in_no_log(app: "App") -> None:
    """Check I5 with the database's password, which the lab has planted."""
    secret = (paths.STATE / "database_password").read_text().strip()
    search = app.host.run([*program("search"), app.name], stdin=secret)
    assert (search.returncode, search.stdout.split()) == (0, []), f"I5: {search.stdout}{search.stderr}"


def assert_same_again_changes_nothing(app: "App") -> None:
    """Check I6. The live release may have been made with variables of a test; then the first deploy here makes an ordinary one."""
    tag = app.releases[app.live]["tag"]
    running = app.running()
    if app.deploy(tag).succeeded().changed:
        running = app.running()
        again = app.deploy(tag).succeeded()
        assert again.changed == 0, f"I6: the same deploy again changed something\n{again.output}"
    assert app.running() == running, "I6: the same deploy again restarted a container"


def assert_rollback_is_possible(app: "App") -> None:
    """Check I7 where there is an earlier release that was kept."""
    before = app.releases.get(app.releases[app.live]["previous"])
    if before and before["status"] == "kept":
        app.rollback("--check").succeeded()


def observe(app: "App") -> Facts:
    """Ask the host, and the app as a user does."""
    app.await_retired()
    found: dict[str, Any] = json.loads(app.on_host(*program("observe"), app.name))
    facts = Facts(**found)
    record = facts.bundles.get(facts.live or "")
    if not record:
        return facts
    settings = json.loads(record)["settings"]
    status, headers, body = app.get(settings["ready_path"])
    how, _, name = settings["identity"].partition(":")
    try:
        said = headers.get(name.lower()) if how == "header" else json.loads(body).get(name) if how == "json" else facts.live
    except ValueError:
        said = None
    return replace(facts, answer=(status, str(said)))


def violations(facts: Facts) -> Iterator[str]:
    """Say what does not hold of I1 to I3, one sentence each."""
    yield from unserved(facts)
    yield from untrue_records(facts)
    yield from leftovers(facts)
    yield from stray_sessions(facts)


def unserved(facts: Facts) -> Iterator[str]:
    """I1: the route names a release that answers its readiness check, as that release."""
    if facts.route is not None and facts.answer != (200, facts.live):
        yield f"I1: the route names {facts.live!r}, but status and release of the answer are {facts.answer}"


def untrue_records(facts: Facts) -> Iterator[str]:
    """I2: journal and ledger are whole, and say what is."""
    journal, ledger = whole(facts.journal), whole(facts.ledger)
    for name, written, content in (("journal", facts.journal, journal), ("ledger", facts.ledger, ledger)):
        if content is None and (written is not None or facts.route is not None):
            yield f"I2: the {name} is {'damaged' if written is not None else 'missing'}"
    if journal:
        yield from untrue_journal(journal, facts.live)
    if ledger:
        yield from untrue_ledger(ledger["releases"], facts)


def whole(content: str | None) -> dict[str, Any] | None:
    """Return a record whose checksum fits, without the checksum; None for any other text."""
    try:
        record: dict[str, Any] = json.loads(content or "")
        wanted = record.pop("checksum")
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    return record if wanted == hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest() else None


def untrue_journal(journal: dict[str, Any], live: str | None) -> Iterator[str]:
    """The run was ended, and what it says of its release is so."""
    release, phase = journal["release"], journal["phase"]
    wanted = {"COMMITTED": release, "ABORTED": journal["from"], "REVERTED": journal["from"]}
    if phase not in wanted:
        yield f"I2: the journal says {phase}, so the run of {release} was not ended"
    elif wanted[phase] != live:
        yield f"I2: the journal says {phase} (release {release}, from {journal['from']}), but {live} is live"


def untrue_ledger(releases: list[dict[str, Any]], facts: Facts) -> Iterator[str]:
    """What is live, kept or gone is so: by route, bundles, and the live release's container."""
    by_status: dict[str, set[str]] = {}
    for record in releases:
        by_status.setdefault(record["status"], set()).add(record["id"])
    live = {facts.live} if facts.live else set()
    if by_status.get("live", set()) != live:
        yield f"I2: the ledger says that {sorted(by_status.get('live', set()))} are live, the route says {facts.live}"
    if prepared := by_status.get("prepared"):
        yield f"I2: the ledger still has {sorted(prepared)} as prepared"
    there = by_status.get("live", set()) | by_status.get("kept", set())
    if there != set(facts.bundles):
        yield f"I2: the ledger has {sorted(there)} as live or kept, but there are bundles of {sorted(facts.bundles)}"
    if extra := set(facts.sockets) - there:
        yield f"I3: directories for sockets of {sorted(extra)}, which are not kept"
    digests = {record["id"]: f"{record['image']['repository']}@{record['image']['digest']}" for record in releases}
    for container in facts.containers:
        release, image = release_of(container), container["Config"]["Image"]
        if release not in there:
            yield f"I3: {name_of(container)} is left of a release that is not kept"
        elif image != digests[release]:
            yield f"I2: {name_of(container)} runs {image}, the ledger says {digests[release]}"


def leftovers(facts: Facts) -> Iterator[str]:
    """I3: nothing but the live release runs, no lock, nothing temporary."""
    if facts.locked:
        yield "I3: a process holds the lock of a running stage"
    for path in facts.temporary:
        yield f"I3: {path} is left over"
    running = [container for container in facts.containers if container["State"]["Running"]]
    if [release_of(container) for container in running] != ([facts.live] if facts.live else []):
        yield f"I3: {facts.live} is live, and these run: {sorted(map(name_of, running))}"
    for container in facts.containers:
        if container["Config"]["Labels"].get("com.docker.compose.oneoff") == "True":
            yield f"I3: {name_of(container)} is left of a migration"
    for container in running:
        if container["HostConfig"]["RestartPolicy"]["Name"] != "unless-stopped":
            yield f"I3: {name_of(container)} would not come back after a reboot"


def stray_sessions(facts: Facts) -> Iterator[str]:
    """I3: only running releases talk to the database."""
    running = [container for container in facts.containers if container["State"]["Running"]]
    known = {network["IPAddress"] for container in running for network in container["NetworkSettings"]["Networks"].values()}
    for session in facts.sessions:
        if session["address"] not in known:
            yield f"I3: a session of {session['address']}, where no release runs, is left at the database: {session['query']!r}"


def release_of(container: dict[str, Any]) -> str:
    """Return the release that an inspected container belongs to."""
    return str(container["Config"]["Labels"]["fairlead.release"])


def name_of(container: dict[str, Any]) -> str:
    """Return an inspected container's name."""
    return str(container["Name"]).lstrip("/")
