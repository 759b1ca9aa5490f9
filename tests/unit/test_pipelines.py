"""Pipelines that users copy name playbooks, options and versions that there are."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SERVICE, GITHUB = ROOT / ".github/workflows/service.yml", ROOT / "docs/pipelines/github.yml"
GITLAB = ROOT / "docs/pipelines/gitlab.yml"
OPTIONS: dict[str, Any] = yaml.safe_load((ROOT / "meta/options.yml").read_text())
# A playbook in a command, and the options that follow it there.
CALL = re.compile(r"fairlead\.fastapi\.([a-z_]+)((?: -e \"?[a-z_]+=[^ \n]*)*)")


@pytest.mark.parametrize("file", [SERVICE, GITLAB], ids=lambda file: str(file.name))
def test_playbooks_and_options_exist(file: Path) -> None:
    calls = [call for call in CALL.findall(file.read_text()) if call[0] != "fastapi"]
    assert {"deploy", "smoke", "status"} <= {name for name, options in calls}
    for name, options in calls:
        assert (ROOT / "playbooks" / f"{name}.yml").is_file(), name
        given = set(re.findall(r"-e \"?([a-z_]+)=", options))
        assert given <= OPTIONS[name]["options"].keys(), (name, given)


@pytest.mark.parametrize("file", [SERVICE, GITLAB], ids=lambda file: str(file.name))
def test_versions_are_the_collections(file: Path) -> None:
    text, galaxy = file.read_text(), yaml.safe_load((ROOT / "galaxy.yml").read_text())
    for pinned in (ROOT / "meta/ee-requirements.txt").read_text().split():
        assert "==" not in pinned or pinned in text, pinned
    assert re.search(rf"(default|FAIRLEAD): {re.escape(galaxy['version'])}\n", text)


def test_what_users_copy_fits_what_it_calls() -> None:
    called: dict[str, Any] = yaml.safe_load(SERVICE.read_text())[True]["workflow_call"]  # YAML makes a boolean of `on`
    job = yaml.safe_load(GITHUB.read_text())["jobs"]["service"]
    required = {name for name, one in called["inputs"].items() if one.get("required")}
    assert required <= job["with"].keys() <= called["inputs"].keys()
    assert job["secrets"].keys() == called["secrets"].keys()


@pytest.mark.parametrize("file", [*(ROOT / ".github/workflows").glob("*.yml"), GITHUB], ids=lambda file: str(file.name))
def test_actions_are_pinned_by_commit(file: Path) -> None:
    used = re.findall(r"uses: (\S+)", file.read_text())
    assert used and all(re.search(r"@[0-9a-f]{40}$", one) for one in used)
