"""What a run of the probe tells, as typed data and as JSON."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of traffic; times run from the moment a request was due to the end of its reply (streams: its head)."""

    requests: int
    failed: int
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None


@dataclass(frozen=True, slots=True)
class Release:
    """When a release answered: seconds since the start of the run, and how many times."""

    first: float
    last: float
    count: int


@dataclass(frozen=True, slots=True)
class Failure:
    """One request not answered with success; `at` is in seconds since the start of the run."""

    at: float
    kind: str
    method: str
    path: str
    error: str
    status: int | None
    release: str | None


@dataclass(frozen=True, slots=True)
class Audit:
    """What became of the POSTs. The counts are None when there was no audit, or when `audit_error` stopped it.

    lost: acknowledged but absent; doubled: present more than once; phantom: present though answered as failed.
    `audited` is the number of POSTs looked for, `suspects` has up to ten references of each sort.
    """

    audited: int = 0
    lost: int | None = None
    doubled: int | None = None
    phantom: int | None = None
    suspects: dict[str, list[str]] = field(default_factory=dict)
    audit_error: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run. `seconds` is how long requests were started, `started_unix` the wall clock at its start.

    `longest_gap_ms` is the longest time without a successful answer to short requests, `longest_gap_at` its begin;
    `stream_gap_ms` the longest time between the end of one event stream and the first bytes of the next;
    `cpu_share` the processor time of the probe itself, in cores.
    """

    run: str
    started_unix: float
    seconds: float
    requests: int
    failed: int
    ok: int
    rate: float
    by_kind: dict[str, Kind]
    by_method: dict[str, dict[str, int]]
    statuses: dict[str, int]
    releases: dict[str, Release]
    longest_gap_ms: float
    longest_gap_at: float
    stream_gap_ms: float | None
    failures: list[Failure]  # the first 50
    audited: int
    lost: int | None
    doubled: int | None
    phantom: int | None
    suspects: dict[str, list[str]]
    audit_error: str | None
    refused_retried: int
    idle_reconnects: int
    stream_reconnects: int
    cpu_share: float

    def to_json(self) -> str:
        """Return the report as indented JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Read what to_json wrote. Raises ValueError or TypeError when the text is something else."""
        data: dict[str, Any] = json.loads(text)
        data["by_kind"] = {name: Kind(**kind) for name, kind in data["by_kind"].items()}
        data["releases"] = {name: Release(**release) for name, release in data["releases"].items()}
        data["failures"] = [Failure(**failure) for failure in data["failures"]]
        return cls(**data)

    def write(self, path: Path) -> None:
        """Write the JSON so that `path` never holds half of it."""
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(self.to_json())
        partial.replace(path)

    def summary(self) -> str:
        """Return the run in one line."""
        items = f"lost {self.lost}, doubled {self.doubled}, phantom {self.phantom}"
        audit = f"audit failed: {self.audit_error}" if self.audit_error else items if self.audited else "no audit"
        return (
            f"{self.requests} requests in {self.seconds:.1f} s ({self.rate:.0f}/s), {self.failed} failed; {audit}; "
            f"longest gap {self.longest_gap_ms:.0f} ms; releases: {' '.join(self.releases) or 'none'}"
        )
