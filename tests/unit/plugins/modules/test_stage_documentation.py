"""The documentation of a stage says the same of its options as what they are checked by."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.plugins.loader import fragment_loader, module_loader
from ansible.utils.plugin_docs import get_docstring
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.stage_options import STAGES, TASKS

OPTIONS = {**STAGES, **TASKS}
ROOT = Path(__file__).parents[4]
SAME = ("type", "required", "default", "choices", "elements")


@pytest.mark.parametrize("stage", OPTIONS)
def test_options_are_documented_as_they_are(stage: str) -> None:
    found = module_loader.find_plugin_with_context(f"fairlead.fastapi.{stage}")
    documented: dict[str, Any] = get_docstring(found.plugin_resolved_path, fragment_loader, collection_name="fairlead.fastapi")[0][
        "options"
    ]

    def told(option: dict[str, Any]) -> dict[str, Any]:
        said = {name: option[name] for name in SAME if option.get(name) not in (None, False)}
        below = option.get("suboptions") or option.get("options") or {}
        said |= {"options": {name: told(each) for name, each in below.items()}} if below else {}
        return {**said, "default": option["default"]} if option.get("default") is not None else said

    assert {name: told(option) for name, option in documented.items()} == {name: told(option) for name, option in OPTIONS[stage].items()}


def test_each_stage_is_run_by_the_program() -> None:
    routed = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))["plugin_routing"]["modules"]
    # release_migrate has an action plugin of its own, which judges first.
    assert {*routed, "release_migrate"} == set(OPTIONS)
    assert {entry["action_plugin"] for entry in routed.values()} == {"fairlead.fastapi.host_program"}
