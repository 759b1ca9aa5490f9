"""Measured runs, each with the load that it was under, and what is told of them."""

import json
from dataclasses import dataclass, field
from statistics import median

from lab.probe import Report
from lab.probe.recorder import PROMPT_KINDS


@dataclass
class Series:
    """Runs of the same kind: seconds of each, and what became of all requests meanwhile.

    `failed` counts requests that were not answered with success, and items that were lost or doubled.
    """

    name: str
    seconds: list[float] = field(default_factory=list)
    requests: int = 0
    failed: int = 0
    longest_gap_ms: float = 0.0
    p99_ms: list[float] = field(default_factory=list)

    def add(self, seconds: float, report: Report | None = None) -> None:
        """Add a run, with what became of the load if there was any."""
        self.seconds.append(seconds)
        if report is None:
            return
        self.requests += report.requests
        self.failed += report.failed + (report.lost or 0) + (report.doubled or 0)
        self.longest_gap_ms = max(self.longest_gap_ms, report.longest_gap_ms)
        self.p99_ms.append(max(kind.p99_ms or 0.0 for name, kind in report.by_kind.items() if name in PROMPT_KINDS))

    @property
    def median(self) -> float:
        """The runs' median in seconds."""
        return median(self.seconds)

    def row(self) -> str:
        """Return one line of the table."""
        spread = f"{self.median:6.2f} [{min(self.seconds):.2f}–{max(self.seconds):.2f}]"
        loaded = f"{self.requests:>8} {self.failed:>7} {self.longest_gap_ms:>8.0f} {median(self.p99_ms):>8.0f}" if self.p99_ms else ""
        return f"{self.name:<30} {len(self.seconds):>4}   {spread:<22} {loaded}".rstrip()


@dataclass(frozen=True)
class Outcome:
    """All that was measured.

    `steps` are the medians of the seconds of each step on the host; `warm_seconds` those of all steps of each rollback to a release that
    ran still; `compared` names images and script.
    """

    deploy: Series
    script: Series
    planned: Series
    unplanned: Series
    quiet_script: Series
    rollback: Series
    same_again: Series
    warm: Series
    remote_calls: int
    steps: dict[str, float]
    warm_seconds: list[float]
    compared: str
    rtt_ms: float

    @property
    def ratios(self) -> dict[str, float]:
        """How many times the seconds of the script each takes, by the medians; and so for the 99th percentile of its answers to users."""
        return {
            "deploy under load": self.deploy.median / self.script.median,
            "deploy": self.planned.median / self.quiet_script.median,
            "rollback": self.rollback.median / self.quiet_script.median,
            "warm rollback": self.warm.median / self.quiet_script.median,
            "same again": self.same_again.median / self.quiet_script.median,
            "p99 under load": median(self.deploy.p99_ms) / median(self.script.p99_ms),
        }

    @property
    def plan_seconds(self) -> float:
        """What it costs to find out that nothing is pending: the difference of the medians."""
        return self.planned.median - self.unplanned.median

    @property
    def failed(self) -> int:
        """Failed, lost and doubled requests in all runs, the script's too."""
        return sum(series.failed for series in self._all)

    @property
    def _all(self) -> tuple[Series, ...]:
        return (self.deploy, self.script, self.planned, self.quiet_script, self.unplanned, self.rollback, self.same_again, self.warm)

    def table(self) -> str:
        """Return the table for people."""
        head = f"{'':<30} {'runs':>4}   {'seconds [min–max]':<22} {'requests':>8} {'failed':>7} {'gap ms':>8} {'p99 ms':>8}"
        shown = ", ".join(f"{step} {seconds:.2f}" for step, seconds in self.steps.items())
        on_host = sum(self.steps.values())
        return "\n".join(
            [
                head,
                *(series.row() for series in self._all),
                "",
                f"beside the script, at {self.rtt_ms:g} ms: " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in self.ratios.items()),
                f"compared: {self.compared}",
                f"a deploy is {self.remote_calls} remote calls, and one that reads its progress",
                f"finding out that nothing is to be migrated takes {self.plan_seconds:.2f} s, without load",
                f"a rollback to a release that ran still takes {median(self.warm_seconds):.2f} s on the host",
                f"seconds in steps on the host: {on_host:.2f} ({shown})",
                f"seconds of Ansible, SSH and Python's start: {self.deploy.median - on_host:.2f}, under load",
            ]
        )

    def line(self) -> str:
        """Return the same for programs, as one line of JSON."""
        return json.dumps(
            {
                "rtt_ms": self.rtt_ms,
                "compared": self.compared,
                "ratios": {name: round(ratio, 2) for name, ratio in self.ratios.items()},
                "remote_calls": self.remote_calls,
                "deploy_s": round(self.deploy.median, 2),
                "planned_s": round(self.planned.median, 2),
                "unplanned_s": round(self.unplanned.median, 2),
                "plan_seconds": round(self.plan_seconds, 2),
                "plan_ratio": round(self.planned.median / self.unplanned.median, 2),
                "script_s": round(self.script.median, 2),
                "quiet_script_s": round(self.quiet_script.median, 2),
                "rollback_s": round(self.rollback.median, 2),
                "warm_rollback_s": round(self.warm.median, 2),
                "warm_rollback_on_host_s": round(median(self.warm_seconds), 2),
                "same_again_s": round(self.same_again.median, 2),
                "requests": sum(series.requests for series in self._all),
                "failed": self.failed,
                "runs": len(self.deploy.seconds),
            }
        )
