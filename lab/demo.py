"""The whole story in a few minutes: `python -m lab.demo`. Ends with 0 only when everything it shows is true."""

import argparse
import os
import shlex
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence

from lab import hosts, inventory, paths, removal, results
from lab.__main__ import up
from lab.docker import LabError
from lab.play import Play, play
from lab.pressure import cpu_pressure
from lab.probe import ProbeError, Report
from lab.probe.report import Failure
from lab.story import App

LOG = paths.STATE / "demo.log"
RATE = 100  # requests a second
SHOWN_LINES = 7
# Above this share of the time in which some program waits for a CPU, failed requests are the machine's fault. Two busy loops on
# two cores stay below it.
OVERLOADED = 0.97
# What sysexits.h calls a temporary failure: try again.
OVERLOADED_EXIT_CODE = 75
WIDTH = 116


class DemoError(Exception):
    """Something that the demo claims is not true; the message says what."""


class OverloadedError(DemoError):
    """Requests failed on a machine that had no time for them, which says nothing about releases."""


class Demo:
    """One telling of the story, for the app `demo` on a lab host."""

    def __init__(self, host: str) -> None:
        self.app = App("demo", host)
        self.seconds: dict[str, float] = {}
        self._chapter = 0

    def tell(self) -> None:
        """Tell it all. Raises DemoError, or what the lab raises, at the first thing that is not as it should be."""
        self._introduce()
        self.provision()
        self.deploy("v1", "Deploy v1")
        before = self.app.live
        with self.app.load(RATE) as load, cpu_pressure() as pressure:
            self.deploy("v2", f"Deploy v2 while {RATE} requests a second arrive")
            after = self.app.live
            self.refuse()
            self.rollback(before)
        self.status()
        self.conclude(load.report, {before, after}, pressure.share)

    def provision(self) -> None:
        """Prepare the machine, bare or not."""
        self._title("Provision the machine: Docker Engine, TLS proxy, PostgreSQL, Redis")
        done = self._play("provision", "provision")
        _require(done.code == 0, f"provisioning ended with exit code {done.code}:\n{_tail(done)}")
        self._line(f"{done.changed} changes made", "provision")

    def deploy(self, tag: str, title: str) -> None:
        """Deploy a good release and see it live."""
        self._title(title)
        done = self._play(f"deploy {tag}", "deploy", "-e", f"image_tag={tag}", "-v")
        _require(done.code == 0, f"deploying {tag} ended with exit code {done.code}:\n{_tail(done)}")
        self._show_live(done, f"deploy {tag}", tag)

    def refuse(self) -> None:
        """Try to deploy a release that never gets ready, and see it refused."""
        live = self.app.live
        self._title("Deploy a broken release: it starts, but never says that it is ready")
        words = ("-e", "image_tag=never_ready", "-e", "app_release_ready_seconds=5", "-v")
        done = self._play("refused", "deploy", *words)
        _require(done.code != 0, "the broken release was deployed without an error")
        message = results.failure(done.output)
        _require("NOT_READY: " in message, f"it failed, but not for its readiness:\n{_tail(done)}")
        self._line(f"exit code {done.code}, and this message:", "refused")
        for line in message.splitlines()[:SHOWN_LINES]:
            print(f"   | {line}" if len(line) <= WIDTH else f"   | {line[:WIDTH]}…")
        _require(self.app.live == live, f"{self.app.live} is live instead of {live}")
        self._line(f"still live: {self._live('v2')}")

    def rollback(self, expected: str) -> None:
        """Go back to the release before, by one command without arguments."""
        self._title("Roll back")
        done = self._play("rollback", "rollback", "-v")
        _require(done.code == 0, f"the rollback ended with exit code {done.code}:\n{_tail(done)}")
        self._show_live(done, "rollback", "v1")
        _require(self.app.live == expected, f"{self.app.live} is live instead of {expected}")

    def status(self) -> None:
        """Ask what is live, as an operator would."""
        self._title("Ask for the status")
        done = self._play("status", "status", "-v")
        _require(done.code == 0, f"asking for the status ended with exit code {done.code}:\n{_tail(done)}")
        lines = results.results(done.output)[-1]["msg"]
        _require(f"{self.app.live} is live since" in lines[0], f"the status tells something else: {lines[0]}")
        print(*(f"   {line}" for line in lines), sep="\n")

    def conclude(self, report: Report, served: set[str], pressure: float) -> None:
        """Say what the load saw, check it, and say how to go on.

        Raises:
            OverloadedError: requests failed while programs waited for a CPU more than `OVERLOADED` of the time.
            DemoError: they failed although the machine had time for them.
        """
        times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())
        print(f"\nDuring deploy v2, the refused release and the rollback, in {report.seconds:.0f} s:")
        print(f"   {report.requests} requests sent, {report.failed} failed, {report.lost} lost, {report.doubled} doubled")
        print(f"   longest time without an answer: {report.longest_gap_ms:.0f} ms")
        print(f"   programs on this machine waited for a CPU {pressure:.0%} of the time")
        print(f"Seconds: {times}")
        problems = problems_of(report)
        if problems and pressure > OVERLOADED:
            raise OverloadedError(
                f"this machine is overloaded: programs waited for a CPU {pressure:.0%} of the time (more than {OVERLOADED:.0%}), "
                f"and the load average is {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs.\n{problems}\n"
                "Run the demo again when the machine is less busy."
            )
        _require(not problems, problems)
        _require(set(report.releases) == served, f"answers came from {sorted(report.releases)}, not {sorted(served)}")
        self._farewell()

    def _introduce(self) -> None:
        folder, password = (_relative(str(path)) for path in (inventory.folder_of(self.app.host.name), paths.VAULT_PASSWORD))
        print(f"\nFairlead on {self.app.host.name}, a stand-in for a VPS, over SSH. Everything printed: {_relative(str(LOG))}")
        print("To run the commands below by yourself, in this directory:")
        print(f"   export PATH=$PWD/.venv/bin:$PATH ANSIBLE_INVENTORY={folder} ANSIBLE_VAULT_PASSWORD_FILE={password}")

    def _farewell(self) -> None:
        address, domain = self.app.host.address, self.app.domain
        authority = _relative(str(self.app.authority))
        print("\nLook around:")
        print(f"   curl --resolve {domain}:443:{address} --cacert {authority} https://{domain}/ready")
        print(f"   {_relative(shlex.join(['ssh', *self.app.host.ssh_args]))}")
        print("Remove everything:\n   .venv/bin/python -m lab down")

    def _play(self, name: str, playbook: str, *words: str) -> Play:
        arguments = ("-e", f"app_name={self.app.name}", *words)
        command = shlex.join(["ansible-playbook", f"playbooks/{playbook}.yml", *arguments])
        print(f"   $ {command}", flush=True)
        begin = time.monotonic()
        done = play(playbook, *arguments, host=self.app.host.name)
        self.seconds[name] = time.monotonic() - begin
        with LOG.open("a") as log:
            log.write(f"$ {command}\n{done.output}\nexit code {done.code} after {self.seconds[name]:.1f} s\n\n")
        return done

    def _show_live(self, done: Play, name: str, tag: str) -> None:
        shown = ", ".join(f"{step}\u00a0{seconds:.2f}" for step, seconds in results.steps(done.output).items())
        text = textwrap.fill(f"seconds on the host: {shown}", WIDTH, initial_indent="   ", subsequent_indent=" " * 24)
        print(text.replace("\u00a0", " "))
        self._line(f"live: {self._live(tag)}", name)

    def _live(self, tag: str) -> str:
        """Ask from outside what is live. Raises DemoError unless it is `tag`."""
        status, headers, body = self.app.get("/ready")
        live = self.app.live
        _require((status, headers.get("x-release")) == (200, live), f"{live} does not answer: HTTP {status} {body}")
        _require(self.app.releases[live]["tag"] == tag, f"{live} is {self.app.releases[live]['tag']}, not {tag}")
        return f"{live} ({tag}), asked at https://{self.app.domain}/ready"

    def _title(self, text: str) -> None:
        self._chapter += 1
        print(f"\n{self._chapter}. {text}", flush=True)

    def _line(self, text: str, name: str = "") -> None:
        print(f"   {text}{f'  ({self.seconds[name]:.1f} s)' if name else ''}", flush=True)


def problems_of(report: Report) -> str:
    """Describe in words each request that was not served well, the first five of each sort; empty when all were."""
    lines = []
    if report.failed:
        lines.append(f"{report.failed} of {report.requests} requests failed:")
        lines += [f"  {failure}" for failure in map(_failure, report.failures[:5])]
    if report.audit_error is not None:
        lines.append(f"lost and doubled items could not be counted: {report.audit_error}")
    lines += [f"{len(found)} items {sort}: {', '.join(found[:5])}" for sort, found in report.suspects.items() if found]
    return "\n".join(lines)


def _failure(failure: Failure) -> str:
    answer = f"HTTP {failure.status} from {failure.release or 'the proxy'}" if failure.status else failure.error
    return f"{failure.method} {failure.path} after {failure.at:.1f} s: {answer}"


def _require(true: bool, problem: str) -> None:
    if not true:
        raise DemoError(problem)


def _tail(done: Play) -> str:
    return results.failure(done.output) or "\n".join(done.output.splitlines()[-25:])


def _relative(text: str) -> str:
    return text.replace(f"{paths.REPOSITORY}/", "")


def prepare(host: str) -> Demo:
    """Have the lab up with this host, and nothing left of an earlier demo."""
    print("Setting up the lab (the first time builds images: some minutes)", flush=True)
    up([host])
    demo = Demo(host)
    removal.remove(demo.app)
    LOG.write_text("")
    return demo


def main(arguments: Sequence[str] | None = None) -> int:
    """Tell the story and return the exit code."""
    parser = argparse.ArgumentParser(prog="bin/demo", description="Provision, deploy, fail, roll back: under load.")
    parser.add_argument("--host", default=hosts.DEFAULT, help="the lab host to use (%(default)s)")
    options = parser.parse_args(arguments)
    begin = time.monotonic()
    try:
        prepare(options.host).tell()
    except OverloadedError as error:
        print(f"\nThe demo proves nothing today: {error}", file=sys.stderr)
        return OVERLOADED_EXIT_CODE
    except (DemoError, LabError, ProbeError, AssertionError, OSError, subprocess.SubprocessError) as error:
        print(f"\nThe demo failed: {error}\nSee {_relative(str(LOG))}.", file=sys.stderr)
        return 1
    print(f"\nAll of this was checked and true, in {time.monotonic() - begin:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
