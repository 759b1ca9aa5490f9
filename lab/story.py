"""What a promise is told in: an app on a lab host, the playbooks as a user runs them, load from outside."""

import http.client
import json
import os
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from lab import hosts, invariants, paths
from lab.play import Play, invocation, play
from lab.probe import RunningProbe, running

# Whether stories that repeat themselves do so as often as was promised, or as often as fits into every run of the tests.
THOROUGH = os.environ.get("FAIRLEAD_THOROUGH") == "1"
# An answer that takes longer has failed, unless a test waits for it on purpose.
ANSWER_SECONDS = 30.0
AWAIT_RETIRED = "while systemctl --quiet is-active 'fairlead-retire-{app}-r[0-9]*.service'; do sleep 0.1; done"
# Parts of provisioning, which take a fraction of the time: the proxy with the app's site, and the data services.
PROXY_ONLY, DATA_ONLY = ("--tags", "edge_proxy"), ("--tags", "data_services")
EDGE_AUTHORITY = "/var/lib/fairlead-edge/data/caddy/pki/authorities/local/root.crt"


class App:
    """One app on a lab host.

    Args:
        name: its `app_name`; it is served as `<name>.lab`.
        host: the lab host's name.
        variables: more variables for every playbook, on top of the lab's inventory.
    """

    def __init__(self, name: str, host: str = hosts.DEFAULT, variables: dict[str, Any] | None = None) -> None:
        self.name = name
        self.domain = f"{name}.lab"
        self.host = hosts.Host(host)
        self._variables = {"app_name": name, **(variables or {})}

    def play(self, playbook: str, *arguments: str, **variables: Any) -> Play:
        """Run a playbook for this app, with more variables for this run only."""
        return play(playbook, *self._words(variables), *arguments, **self._options)

    def invocation(self, playbook: str, *arguments: str, **variables: Any) -> tuple[list[str], dict[str, str]]:
        """Return the words and the environment with which `play` would run a playbook."""
        return invocation(playbook, *self._words(variables), *arguments, **self._options)

    @property
    def _options(self) -> dict[str, Any]:
        return {"host": self.host.name, "yielding": True}

    def _words(self, variables: dict[str, Any]) -> tuple[str, str]:
        return "-e", json.dumps({**self._variables, **variables})

    def env(self, **more: str) -> dict[str, str]:
        """Return the lab's `app_env` with more in it: a run that is given an `app_env` has no other."""
        return {"DATABASE_HOST": "postgres", "DATABASE_NAME": self.name, "DATABASE_USER": self.name, "REDIS_HOST": "redis", **more}

    def deploy(self, tag: str, *arguments: str, **variables: Any) -> Play:
        """Run playbooks/deploy.yml for an image tag."""
        return self.play("deploy", *arguments, image_tag=tag, **variables)

    def rollback(self, *arguments: str, **variables: Any) -> Play:
        """Run playbooks/rollback.yml."""
        return self.play("rollback", *arguments, **variables)

    @cached_property
    def authority(self) -> Path:
        """The certificate authority of the host's edge, copied here."""
        file = paths.STATE / f"edge-{self.host.name}.crt"
        paths.write(file, self.on_host("cat", EDGE_AUTHORITY))
        return file

    @contextmanager
    def load(self, rate: float = 50, **options: Any) -> Iterator[RunningProbe]:
        """Keep load on the app during the block; afterwards the yielded probe has the report."""
        with running(connect=f"{self.host.address}:443", host=self.domain, ca=self.authority, rate=rate, **options) as probe:
            yield probe

    def get(self, path: str, seconds: float = ANSWER_SECONDS) -> tuple[int, dict[str, str], str]:
        """Ask the app from outside, for so long; return status, headers (lower-case names) and body."""
        return self.request("GET", path, seconds=seconds)

    def request(
        self,
        method: str,
        path: str,
        body: str | None = None,
        name: str = "",
        headers: dict[str, str] | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> tuple[int, dict[str, str], str]:
        """Send a request from outside, for the app's domain or another host name; see `get`."""
        context = ssl.create_default_context(cafile=str(self.authority))
        connection = _AddressedConnection(str(self.host.address), name or self.domain, context, seconds)
        try:
            connection.request(method, path, body, headers={"Host": name or self.domain, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
        finally:
            connection.close()

    def settle(self, within_seconds: float = 60) -> None:
        """Wait until the app answers promptly, five times in a row: what a busy start left waiting has been served.

        Raises:
            AssertionError: it does not within that time.
        """
        deadline, prompt = time.monotonic() + within_seconds, 0
        while prompt < 5:
            started = time.monotonic()
            assert started < deadline, "the app stays slow"
            status, _, _ = self.get("/items?limit=1")
            prompt = prompt + 1 if status == 200 and time.monotonic() - started < 0.25 else 0

    def on_host(self, *command: str) -> str:
        """Run an argument list as root on the host and return its output. Raises AssertionError when it fails."""
        done = self.host.run(command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    @property
    def live(self) -> str:
        """The live release's id, as the route names it."""
        return self.on_host("cat", f"/var/lib/fairlead/{self.name}/route").strip()

    @property
    def releases(self) -> dict[str, dict[str, Any]]:
        """The ledger's records by id, with the tag and the digest of each image."""
        ledger = json.loads(self.on_host("cat", f"/opt/fairlead/{self.name}/ledger.json"))
        return {record["id"]: {**record, **record["image"]} for record in ledger["releases"]}

    @property
    def journal(self) -> dict[str, Any]:
        """What the journal says of the current or last run."""
        entry: dict[str, Any] = json.loads(self.on_host("cat", f"/opt/fairlead/{self.name}/journal.json"))
        return entry

    def containers(self) -> list[dict[str, Any]]:
        """`docker inspect` of all containers of the app's releases, once none is being stopped any more."""
        self.await_retired()
        listing = self.on_host("docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label=fairlead.app={self.name}")
        return [json.loads(self.on_host("docker", "inspect", identifier))[0] for identifier in listing.split()]

    def await_retired(self) -> None:
        """Wait until no unit stops a release any more, which may take as long as its last request; not for those that begin later."""
        self.on_host("sh", "-c", AWAIT_RETIRED.format(app=self.name))

    def running(self) -> dict[str, str]:
        """When each running container of the app's releases was started, by name."""
        return {c["Name"].lstrip("/"): c["State"]["StartedAt"] for c in self.containers() if c["State"]["Running"]}

    def sql(self, statement: str) -> str:
        """Ask the app's database as its superuser, and return the bare answer."""
        service = f"{self.name}-data-postgres-1"
        command = ("psql", "--username", "postgres", "--dbname", self.name, "--no-align", "--tuples-only", "--command", statement)
        return self.on_host("docker", "exec", service, *command).strip()

    @property
    def revision(self) -> str:
        """The database's schema revision."""
        return self.sql("SELECT version_num FROM alembic_version")

    def fingerprint(self) -> str:
        """A checksum over everything that Fairlead keeps on the host, and over its containers."""
        tree = self.on_host("find", "/opt/fairlead", "/var/lib/fairlead", "/etc/fairlead", "-type", "f", "-exec", "sha256sum", "{}", "+")
        images = self.on_host("docker", "images", "--no-trunc", "--quiet")
        containers = self.on_host("docker", "ps", "--all", "--no-trunc", "--quiet")
        return "\n".join(sorted(f"{tree}{images}{containers}".splitlines()))

    def assert_tidy(self) -> None:
        """Check what holds after every run, failed or not: one release serves, the records are true, and nothing is left over."""
        invariants.assert_tidy(self)


class _AddressedConnection(http.client.HTTPConnection):
    """HTTPS to an address, for the name of a domain that does not resolve to it."""

    def __init__(self, address: str, domain: str, context: ssl.SSLContext, seconds: float) -> None:
        super().__init__(domain, 443, timeout=seconds)
        self._address = address
        self._context = context

    def connect(self) -> None:
        connection = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._context.wrap_socket(connection, server_hostname=self.host)


def mixed_load_was_served(probe: RunningProbe, at_least: Sequence[str] = ("keepalive", "fresh", "http2", "long", "stream")) -> None:
    """Check that no request of any kind failed, and that none was lost or doubled.

    Raises:
        AssertionError: with the first failures.
    """
    report = probe.report
    assert report.failed == 0, "\n".join(map(str, report.failures[:10]))
    assert not report.lost and not report.doubled and not report.phantom, report.suspects
    assert report.audit_error is None
    missing = [kind for kind in at_least if not report.by_kind.get(kind) or not report.by_kind[kind].requests]
    assert not missing, f"no load of these kinds was measured: {missing}"
