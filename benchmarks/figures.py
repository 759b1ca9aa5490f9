"""All that is measured, on one page: `bin/bench all` writes docs/figures.md."""

import argparse
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.contenders import BenchError
from lab import hosts, paths

PAGE = paths.REPOSITORY / "docs" / "figures.md"


def measured(name: str, *arguments: str) -> str:
    """Run a benchmark and return what it tells people. Raises BenchError when it failed, or a request did."""
    done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise BenchError(f"bin/bench {' '.join((name, *arguments))} ended with exit code {done.returncode}:\n{done.stdout}")
    return told(done.stdout)


def told(printed: str) -> str:
    """Return what a benchmark prints, without its last line, which is for programs."""
    return printed.strip("\n").rpartition("\n")[0].strip("\n")


def machine() -> str:
    """Describe this machine."""
    cpu = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    kilobytes = int(Path("/proc/meminfo").read_text().split()[1])
    cores = len({line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("processor")})
    return f"{cores} cores ({cpu or platform.machine()}), {kilobytes / 1024**2:.0f} GiB, Linux {platform.release().partition('-')[0]}"


def page(day: str, where: str, figures: Sequence[tuple[str, str]]) -> str:
    """Return the page.

    Args:
        day: when it was measured.
        where: on which machine.
        figures: each benchmark's command, and what it told.
    """
    head = f"""# Figures

Measured on {day} by `bin/bench all`: {where}. Controller, host and load share its cores, so that ratios say more than seconds.
The script is [benchmarks/script.sh](../benchmarks/script.sh): the same steps, by hand, over one connection; it survives no failure.
Seconds are medians, with the least and the most.
"""
    return "\n".join([head, *(f"## `{command}`\n\n```\n{said}\n```\n" for command, said in figures)])


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    top = argparse.ArgumentParser(prog="bin/bench all", description="Runs each benchmark and writes docs/figures.md.")
    top.add_argument("--runs", default="10", metavar="N", help="runs of each deploy (%(default)s)")
    top.add_argument("--gigabytes", default="1", metavar="N", help="size of the database that is restored (%(default)s)")
    top.add_argument("--host", default=hosts.DEFAULT, help="the lab host to use (%(default)s)")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the page, and return the exit code."""
    options = parser().parse_args(arguments)
    wanted = [
        ("deploy", "--runs", options.runs),
        ("deploy", "--runs", options.runs, "--rtt", "50"),
        ("restore", "--gigabytes", options.gigabytes),
    ]
    try:
        figures = [(f"bin/bench {' '.join(words)}", measured(*words, "--host", options.host)) for words in wanted]
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    PAGE.write_text(page(datetime.now(UTC).date().isoformat(), machine(), figures))
    print(f"{PAGE.relative_to(paths.REPOSITORY)} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
