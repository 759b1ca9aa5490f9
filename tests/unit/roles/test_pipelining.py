"""Modules reach a host by a pipe, also where no ansible.cfg says so: no file with their arguments lies in the remote user's home."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
# Runs here what it was to run there, and notes it.
SSH = '#!/bin/sh\nfor word; do :; done\necho "$word" >>"$0.log"\nexec /bin/sh -c "$word"\n'


@pytest.mark.parametrize("role", ROLES)
def test_modules_are_piped(tmp_path: Path, role: str) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    variables = {"ansible_ssh_executable": str(ssh), "ansible_python_interpreter": "/usr/bin/python3"}
    vars_files = [str(file) for file in (ROOT / "roles" / role / "vars").glob("main.yml")]
    play = {"hosts": "all", "gather_facts": False, "vars_files": vars_files, "tasks": [{"ansible.builtin.stat": {"path": "/"}}]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    subprocess.run(
        ["ansible-playbook", "-i", "host,", "-e", json.dumps(variables), str(tmp_path / "play.yml")],
        env={**os.environ, "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg")},
        check=True,
        capture_output=True,
        timeout=60,
    )
    sent = (tmp_path / "ssh.log").read_text()
    assert "/usr/bin/python3" in sent and "ansible-tmp" not in sent
