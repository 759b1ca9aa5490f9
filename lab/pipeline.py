"""A workflow's jobs as far as they go without the service that hosts them: their commands, in order, with the expressions filled in.

Actions are passed over, as the checkout is there. Runners, approvals, caches and what keeps two runs apart are the service's.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

JOB_SECONDS = 600
_EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")
_COMPARISON = re.compile(r"([\w.]+) (==|!=) '([^']*)'")


@dataclass
class Job:
    """A job that was run: exit code of its last step, all that it printed, and its outputs. One that had no turn has no code."""

    code: int | None = None
    output: str = ""
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def unfolded(self) -> str:
        """The output with each stretch of white space as one space."""
        return " ".join(self.output.split())


class Pipeline:
    """A workflow to be run on this machine.

    Args:
        workflow: its file.
        checkout: where its commands run.
        known: values by how expressions name them, such as ``inputs.image`` or ``secrets.registry_password``.
        environment: of its commands, instead of this process's own.
        secrets: by environment of the service, values that only its jobs know.
    """

    def __init__(
        self,
        workflow: Path,
        checkout: Path,
        known: Mapping[str, str],
        environment: Mapping[str, str],
        secrets: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._jobs: dict[str, Any] = yaml.safe_load(workflow.read_text())["jobs"]
        self._checkout = checkout
        self._known = known
        self._environment = environment
        self._secrets = secrets or {}

    def run(self, given: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, Job]:
        """Run the jobs in the order of their needs; one whose needs failed, or whose condition does not hold, has no turn.

        Args:
            given: outputs of jobs that are taken for done when it is their turn.
        """
        done: dict[str, Job] = {}
        for name in self._order():
            needed = [done[one] for one in self._needs(name)]
            turn = self._holds(self._jobs[name].get("if"), self._known) and all(one.code == 0 for one in needed)
            if turn and given and name in given:
                done[name] = Job(0, outputs=dict(given[name]))
            else:
                done[name] = self._run(self._jobs[name], done) if turn else Job()
        return done

    def _needs(self, name: str) -> list[str]:
        needs = self._jobs[name].get("needs", [])
        return [needs] if isinstance(needs, str) else list(needs)

    def _order(self) -> Iterator[str]:
        left = dict.fromkeys(self._jobs)
        while left:
            ready = [name for name in left if not left.keys() & set(self._needs(name))]
            yield from ready
            for name in ready:
                del left[name]

    def _run(self, job: Mapping[str, Any], done: Mapping[str, Job]) -> Job:
        known = {**self._known, **self._secrets.get(job.get("environment", ""), {})}
        known |= {f"needs.{name}.outputs.{key}": value for name, one in done.items() for key, value in one.outputs.items()}
        result = Job(0)
        with tempfile.TemporaryDirectory() as folder:
            for step in job["steps"]:
                if "run" not in step or not self._holds(step.get("if"), known):
                    continue
                told = Path(folder, "output")
                told.write_text("")
                result.code, printed = self._step(job, step, known, told)
                result.output += printed
                outputs = dict(line.partition("=")[::2] for line in told.read_text().splitlines())
                known |= {f"steps.{step.get('id')}.outputs.{key}": value for key, value in outputs.items()}
                if result.code:
                    return result
        result.outputs = {key: _filled(value, known) for key, value in job.get("outputs", {}).items()}
        return result

    def _step(self, job: Mapping[str, Any], step: Mapping[str, Any], known: Mapping[str, str], told: Path) -> tuple[int, str]:
        variables = {**job.get("env", {}), **step.get("env", {})}
        filled = {key: _filled(str(value), known) for key, value in variables.items()}
        place = _filled(job.get("defaults", {}).get("run", {}).get("working-directory", "."), known)
        environment = {**self._environment, "GITHUB_OUTPUT": str(told), "RUNNER_TEMP": str(told.parent), **filled}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]  # as the service does
        done = subprocess.run(
            command,
            cwd=self._checkout / place,
            env={"PATH": os.environ["PATH"], **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=JOB_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout

    @staticmethod
    def _holds(condition: str | None, known: Mapping[str, str]) -> bool:
        """Tell whether a condition holds: none, or a comparison with a text. Raises ValueError for any other."""
        if condition is None:
            return True
        found = _COMPARISON.fullmatch(condition)
        if found is None:
            raise ValueError(f"{condition!r} is no comparison that is understood here")
        name, how, text = found.groups()
        return (known[name] == text) == (how == "==")


def _filled(text: str, known: Mapping[str, str]) -> str:
    """Return a text with its expressions filled in. Raises KeyError for one that is not known."""
    return _EXPRESSION.sub(lambda found: known[found[1]], text)
