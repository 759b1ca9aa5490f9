"""How long a deploy takes: `python -m benchmarks.deploy`.

Under load beside a hand-written script; without load beside one that looks for no migrations.
"""

import argparse
import hashlib
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import cycle
from statistics import median

from benchmarks.contenders import SCRIPT, UNPLANNED, BenchError, Contender, Fairlead, Script
from benchmarks.latency import Way, relay
from benchmarks.measurements import Outcome, Series
from lab import hosts
from lab.__main__ import up
from lab.docker import LabError
from lab.probe import ProbeError
from lab.results import steps
from lab.steps import note, step
from lab.story import App

# Two images with the same schema: every run pulls, looks for migrations (there are none), starts, switches and stops.
TAGS = ("v3", "v2")
FIRST_TAG = TAGS[-1]
# Seconds. A deploy ends with the last request to the old release: with longer ones their beat would be measured.
LONG_POLL = 1
MOST_REPEATS = 3  # of rollback and of the same again; also how many releases are kept for rollbacks
# The release before runs on meanwhile.
WARM = ("-e", "app_release_warm_seconds=600")
# A line of Ansible's -vvv for each command sent to the host, and for each file copied to or from it.
REMOTE_CALL = re.compile(r"^<[^>]+> (?:SSH: EXEC|PUT|FETCH) ", re.MULTILINE)


class Bench:
    """One benchmark on one lab host.

    Args:
        host: its name.
        rate: of the load, in requests a second.
        way: how to log in to it, where that is not the usual way.
        rtt_ms: how long that way is.
    """

    def __init__(self, host: str, rate: float, way: Way | None = None, rtt_ms: float = 0.0) -> None:
        self.fairlead = Fairlead("bench", host, way=way)
        self.unplanned = Fairlead("bench-unplanned", host, *UNPLANNED, way=way)
        self.script = Script("bench-script", host, way)
        self.rate = rate
        self.rtt_ms = rtt_ms
        self.tags: dict[Contender, cycle[str]] = {contender: cycle(TAGS) for contender in (self.fairlead, self.unplanned, self.script)}
        self.step_seconds: dict[str, list[float]] = defaultdict(list)
        self.warm_seconds: list[float] = []

    def run(self, runs: int) -> Outcome:
        """Measure. Raises BenchError when something went wrong that makes the seconds worthless."""
        self._prepare()
        deploy, script = Series("deploy.yml"), Series("the same steps as one script")
        self._alternate(runs, [(deploy, self.fairlead), (script, self.script)], self.rate)
        # Load on shared cores would drown what is compared here.
        planned, unplanned, quiet = Series("deploy.yml, no load"), Series("deploy.yml, nothing planned"), Series("the script, no load")
        self._alternate(runs, [(planned, self.fairlead), (quiet, self.script), (unplanned, self.unplanned)], rate=0)
        repeats = min(runs, MOST_REPEATS)
        live = next(self.tags[self.fairlead])
        self.fairlead.deploy(live)
        same_again = self._repeat(Series("deploy.yml, same again"), repeats, lambda: self._same_again(live))
        rollback = self._repeat(Series("rollback.yml"), repeats, lambda: self.fairlead.timed("rollback")[0])
        warm = self._repeat(Series("rollback.yml, warm"), repeats, self._warm_rollback)
        medians = {name: median(seconds) for name, seconds in self.step_seconds.items()}
        calls = self._remote_calls()
        series = (deploy, script, planned, unplanned, quiet, rollback, same_again, warm)
        return Outcome(*series, calls, medians, self.warm_seconds, self._compared(), self.rtt_ms)

    def _alternate(self, runs: int, turns: list[tuple[Series, Contender]], rate: float) -> None:
        for number in range(runs):
            # By turns the first: what one leaves behind (caches, memory) must not always help the other.
            for series, contender in turns if number % 2 == 0 else reversed(turns):
                tag = next(self.tags[contender])
                self._measure(series, contender.app, partial(self._deploy, contender, tag, rate), rate)
                contender.check(tag)

    def _prepare(self) -> None:
        for contender in (self.fairlead, self.unplanned, self.script):
            with step(f"provision for {contender.app.name}"):
                contender.provision()
            with step(f"first deploy of {contender.app.name}, not counted"):
                contender.begin(FIRST_TAG)
                contender.check(FIRST_TAG)

    def _measure(self, series: Series, app: App, work: Callable[[], float], rate: float) -> None:
        if not rate:
            series.add(work())
            note(f"{series.name:<30} {series.seconds[-1]:6.2f} s")
            return
        with app.load(rate, long_poll=LONG_POLL) as load:
            seconds = work()
        series.add(seconds, load.report)
        note(f"{series.name:<30} {seconds:6.2f} s, {load.report.summary()}")

    def _repeat(self, series: Series, times: int, work: Callable[[], float]) -> Series:
        for _ in range(times):
            self._measure(series, self.fairlead.app, work, rate=0)
        return series

    def _deploy(self, contender: Contender, tag: str, rate: float) -> float:
        if contender is not self.fairlead or not rate:
            return contender.deploy(tag)
        seconds, done = self.fairlead.released(tag, "-v", yielding=True)
        for name, value in steps(done.output).items():
            self.step_seconds[name].append(value)
        return seconds

    def _same_again(self, tag: str) -> float:
        seconds, done = self.fairlead.again(tag)
        if done.changed:
            raise BenchError(f"deploying {tag} again changed {done.changed} things (was it pushed anew meanwhile?)")
        return seconds

    def _warm_rollback(self) -> float:
        app = self.fairlead.app
        self.fairlead.deploy(next(tag for tag in TAGS if tag != app.releases[app.live]["tag"]), *WARM)
        seconds, done = self.fairlead.timed("rollback", "-v")
        self.warm_seconds.append(sum(steps(done.output).values()))
        return seconds

    def _compared(self) -> str:
        """Name what was deployed and the script by their hashes: neither a faster image nor a slower script passes for a faster tool."""
        images = {f"{release['tag']} {release['digest'][:19]}" for release in self.fairlead.app.releases.values() if release["tag"] in TAGS}
        return ", ".join([*sorted(images), f"script sha256:{hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:12]}"])

    def _remote_calls(self) -> int:
        """Deploy once more, with the connection's own protocol shown, and count what was sent to the host."""
        _, done = self.fairlead.timed("deploy", "-e", "image_tag=v4", "-vvv")
        return len(REMOTE_CALL.findall(done.output))


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    top = argparse.ArgumentParser(
        prog="bin/bench deploy", description="Times a deploy beside a script, under load, and beside one that looks for no migrations."
    )
    top.add_argument("--runs", type=_positive, default=10, metavar="N", help="runs of each (%(default)s)")
    top.add_argument("--rate", type=float, default=100, help="requests a second (%(default)s)")
    top.add_argument("--rtt", type=float, default=0, metavar="MS", help="round trip between controller and host (%(default)s)")
    top.add_argument("--host", default=hosts.DEFAULT, help="the lab host to use (%(default)s)")
    return top


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of runs")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print table and JSON, and return the exit code: 0 only when no request failed."""
    options = parser().parse_args(arguments)
    try:
        up([options.host])
        with relay(hosts.Host(options.host), options.rtt / 1000) if options.rtt else nullcontext() as way:
            outcome = Bench(options.host, options.rate, way, options.rtt).run(options.runs)
    except (BenchError, LabError, ProbeError, AssertionError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(f"\n{outcome.table()}\n\n{outcome.line()}")
    return 1 if outcome.failed else 0


if __name__ == "__main__":
    sys.exit(main())
