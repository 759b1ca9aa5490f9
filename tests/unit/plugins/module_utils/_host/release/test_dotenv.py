"""Values survive the way through an env file, however awkward; Docker Compose itself is the judge."""

import json
import subprocess
from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.dotenv import parse, render

AWKWARD = {
    "EMPTY": "",
    "SPACES": "  two  and trailing ",
    "HASH": "a # no comment",
    "DOLLAR": "$HOME ${PATH} $$ $",
    "QUOTES": 'it\'s "quoted"',
    "BACKSLASH": r"C:\new\table \\ \$ \"",
    "ENDS_IN_BACKSLASH": "tail\\",
    "LINES": "one\ntwo\r\nthree\n",
    "TAB": "a\tb",
    "EQUALS": "a=b=c",
    "JSON": '{"a": ["$x", "\\n"]}',
    "UNICODE": "grüße 日本 \u2028 \x85",
    "BACKTICK": "`id` $(id)",
    "URL": "postgresql://u:p%40ss@db/x?y=1&z=2",
}


@pytest.mark.parametrize("name", AWKWARD)
def test_what_is_rendered_is_parsed_back(name: str) -> None:
    assert parse(render({name: AWKWARD[name]})) == {name: AWKWARD[name]}


def test_all_together_come_back_and_in_order_of_names() -> None:
    text = render(AWKWARD)
    assert parse(text) == AWKWARD
    assert [line.partition("=")[0] for line in text.split("\n")[:-1]] == sorted(AWKWARD)


def test_compose_reads_every_value_intact(tmp_path: Path) -> None:
    (tmp_path / "app.env").write_text(render(AWKWARD), encoding="utf-8")
    (tmp_path / "compose.yaml").write_text("services: {api: {image: x, env_file: [app.env]}}", encoding="utf-8")
    command = ["docker", "compose", "--project-directory", str(tmp_path), "config", "--format", "json"]
    shown = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=30).stdout
    # `config` doubles each dollar, so that its output could be read as a Compose file again.
    read = {k: v.replace("$$", "$") for k, v in json.loads(shown)["services"]["api"]["environment"].items()}
    assert read == AWKWARD
