"""The command line."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.probe.target import BadTarget, Target

MAX_SECONDS = 900.0
LONGEST_RUN = 3600.0
DESCRIPTION = "Sends a steady load over HTTPS and counts every request that is not answered with success."


@dataclass(frozen=True, slots=True)
class Options:
    """A run of the probe; `duration` and `wait_seconds` (long polls) in seconds, `rate` in requests a second."""

    target: Target
    rate: float = 200.0
    duration: float = MAX_SECONDS
    report: Path | None = None
    profile: str = "shop"
    paths: tuple[str, ...] = ("/",)
    release_header: str = "X-Release"
    audit: bool = True
    wait_seconds: float = 5.0


def parse(arguments: list[str] | None = None) -> Options:
    """Read the command line; exits with status 2 and a message when something is wrong with it."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.path and given.profile != "foreign":
        parser.error("--path is for --profile foreign; the shop profile has its own paths")
    if wrong := [path for path in given.path if not path.startswith("/")]:
        parser.error(f"--path {wrong[0]!r} does not begin with /")
    if given.report and not given.report.parent.is_dir():
        parser.error(f"--report: there is no directory {given.report.parent}")
    try:
        target = Target.checked(given.connect, given.host, given.ca)
    except BadTarget as error:
        parser.error(str(error))
    return Options(
        target=target,
        rate=given.rate,
        duration=given.duration,
        report=given.report,
        profile=given.profile,
        paths=tuple(given.path) or ("/",),
        release_header=given.release_header,
        audit=given.audit,
        wait_seconds=given.long_poll,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.probe", description=DESCRIPTION)
    add = parser.add_argument
    add("--connect", required=True, metavar="IP:PORT", help="where to connect: this machine or the lab's own hosts")
    add("--host", required=True, help="host name to ask for and to find in the certificate")
    add("--ca", required=True, type=Path, metavar="FILE", help="certificates that vouch for the host")
    add("--rate", type=_between(0.1, 2000), default=200.0, help="requests a second in total (%(default)g)")
    add("--duration", type=_between(0.1, LONGEST_RUN), default=MAX_SECONDS, help="seconds at most (%(default)g)")
    add("--report", type=Path, metavar="FILE", help="where to write the report (JSON)")
    add("--profile", choices=("shop", "foreign"), default="shop", help="the reference app, or GETs of any app's --path")
    add("--path", action="append", default=[], help="for --profile foreign, may be repeated (/)")
    add("--release-header", default="X-Release", help="response header that names the release (%(default)s)")
    add("--long-poll", type=_between(1, 15), default=5.0, metavar="SECONDS", help="how long a long poll lasts (%(default)g)")
    add("--no-audit", dest="audit", action="store_false", help="do not look for lost and doubled items at the end")
    return parser


def _between(low: float, high: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not between {low:g} and {high:g}")
        return value

    return number
