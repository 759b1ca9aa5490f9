"""What a playbook run with -v told about its tasks, as data."""

import re
import textwrap
from typing import Any

import yaml

# `changed: [vps1] =>` or `fatal: [vps1]: FAILED! =>`, and below it the result as indented YAML.
_RESULT = re.compile(r"^(?:ok|changed|fatal): \[[^]]+\](?:: [A-Z]+!)? => *\n((?: {4}.*\n| *\n)+)", re.MULTILINE)


# What the result of a call says of the stage that failed, which has said it itself.
_FAILED = ("failed", "msg", "code", "serving")


def results(output: str) -> list[dict[str, Any]]:
    """Return the results of all tasks, and of each stage of a call, in order. Nothing is found in the output of a run without -v."""
    return [result for block in _RESULT.findall(output) for result in _stages(yaml.safe_load(textwrap.dedent(block)))]


def _stages(result: dict[str, Any]) -> list[dict[str, Any]]:
    then = result.get("then", [])
    own = {key: value for key, value in result.items() if key != "then" and not (then and key in _FAILED)}
    return [own, *then]


def steps(output: str) -> dict[str, float]:
    """Return the steps of all stages, in order, with their seconds."""
    return {step["step"]: float(step["seconds"]) for result in results(output) for step in result.get("steps", [])}


def failure(output: str) -> str:
    """Return the message of the task that failed; empty when none did."""
    return "\n".join(str(result["msg"]) for result in results(output) if "code" in result)
