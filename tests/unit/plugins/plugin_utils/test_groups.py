"""A playbook without hosts fails, and says what the inventory has instead."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.fairlead.fastapi.plugins.plugin_utils import _groups

ROOT = Path(__file__).parents[4]
PLAYBOOKS = sorted(path for path in (ROOT / "playbooks").glob("*.yml") if "import_playbook" not in path.read_text())
ONE = {"app_hosts": ["vps1"], "data_hosts": ["vps1"], "edge_hosts": ["vps1"]}
FLEET = {"app_hosts": ["app1", "app2"], "data_hosts": ["data1"], "edge_hosts": ["edge1"]}
ALL = ("app_hosts:data_hosts:edge_hosts",)


def inventory(groups: dict[str, list[str]], limit: set[str] | None = None) -> _groups.Inventory:
    hosts = {host for members in groups.values() for host in members}
    return _groups.Inventory(groups, hosts if limit is None else hosts & limit, ["inventories/mine"], ",".join(sorted(limit or ())))


@pytest.mark.parametrize(
    ("groups", "limit", "patterns", "in_inventory", "said"),
    [
        (ONE, None, ("app_hosts",), (), []),
        (ONE, None, ("data_hosts[0]:app_hosts[0]", "edge_hosts"), (), []),
        # An app without data services has no host for them.
        ({"app_hosts": ["vps1"], "edge_hosts": ["vps1"]}, None, ALL, ("app_hosts", "edge_hosts"), []),
        ({"app_hosts": ["vps1"]}, None, ("data_hosts[0]:app_hosts[0]",), (), []),
        ({"app_hosts": ["vps1"]}, None, ALL, ("app_hosts", "edge_hosts"), ["no host in edge_hosts;", "under edge_hosts"]),
        ({}, None, ("app_hosts",), (), ["no host in app_hosts;", "inventories/mine", "Groups in it: none"]),
        ({"app_hosts": [], "web": ["a", "b"]}, None, ("app_hosts",), (), ["no host in app_hosts;", "app_hosts (0 hosts), web (2 hosts)"]),
        ({"all": ["a"], "ungrouped": ["a"]}, None, ("app_hosts",), (), ["Groups in it: none"]),
        ({}, None, ("data_hosts", "edge_hosts"), (), ["no host in data_hosts, and none in edge_hosts;", "under data_hosts, edge_hosts"]),
        ({}, None, ALL, ("app_hosts",), ["no host in app_hosts or data_hosts or edge_hosts"]),
        # A part of a fleet.
        (FLEET, {"app2"}, ("app_hosts",), (), []),
        (FLEET, {"edge1"}, ALL, ("app_hosts", "edge_hosts"), []),
        (FLEET, {"data1"}, ("app_hosts",), (), ["--limit data1 leaves no host of app_hosts;", "name one of app1, app2"]),
        # Users would be served while their database is replaced.
        (FLEET, {"data1"}, ("data_hosts[0]:app_hosts[0]", "edge_hosts"), (), ["leaves no host of edge_hosts;", "name one of edge1"]),
    ],
)
def test_problem(groups: Any, limit: set[str] | None, patterns: Any, in_inventory: Any, said: list[str]) -> None:
    problem = _groups.problem(inventory(groups, limit), patterns, in_inventory)
    assert bool(problem) == bool(said)
    for words in said:
        assert words in problem
    assert not problem or (problem.startswith("CONFIG: ") and "nothing was changed" in problem and "To do: " in problem)


@pytest.mark.parametrize(
    ("groups", "pattern", "existing"),
    [
        (ONE, "app_hosts", "app_hosts"),
        ({"app_hosts": ["a"]}, "data_hosts[0]:app_hosts[0]", "app_hosts[0]"),
        ({}, "data_hosts:app_hosts", "data_hosts:app_hosts"),
    ],
)
def test_only_groups_of_the_inventory_are_asked_for(groups: Any, pattern: str, existing: str) -> None:
    assert _groups.existing(inventory(groups), pattern) == existing


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.stem)
def test_each_playbook_asks_for_its_hosts_first(playbook: Path) -> None:
    first = yaml.safe_load(playbook.read_text())[0]
    assert first["hosts"].startswith("{{ lookup('fairlead.fastapi.hosts', '")


@pytest.mark.parametrize("callback", ["ansible.builtin.default", "fairlead.fastapi.release"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-i", "inventories/typo"], ["inventories/typo (which does not exist)", "Groups in it: none"]),
        (["-i", "web1,"], ["Inventory read: web1,"]),
        (["-i", "inventories/typo", "--limit", "vps1"], ["Groups in it: none"]),
        (["--limit", "localhost"], []),
    ],
)
def test_a_run_without_hosts_fails(monkeypatch: pytest.MonkeyPatch, callback: str, words: list[str], said: list[str]) -> None:
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", callback)
    command = ["ansible-playbook", "playbooks/deploy.yml", "-e", "image_tag=v1", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    for text in said:
        assert text in done.stderr + done.stdout
