"""Commands run without a shell, end in time, and leave what they said."""

import ast
import sys
from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._command import Finished, run
from fakes import fails

UTILS = Path(__file__).parents[4] / "plugins" / "module_utils"
BOTH = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)"


@pytest.mark.parametrize(
    ("merge", "left"),
    [(False, Finished(3, "out\n", "err\n")), (True, Finished(3, "out\nerr\n", ""))],
)
def test_what_a_command_leaves(merge: bool, left: Finished) -> None:
    assert run([sys.executable, "-c", BOTH], merge=merge) == left


def test_nothing_is_expanded_by_a_shell(tmp_path: Path) -> None:
    assert run(["echo", "$HOME", "`id`", "*; touch x"], cwd=str(tmp_path)).out == "$HOME `id` *; touch x\n"
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_are_no_text_do_not_matter() -> None:
    assert run([sys.executable, "-c", r"import sys; sys.stdout.buffer.write(b'\xff!')"]).out == "\ufffd!"


def test_a_command_that_hangs_is_ended_and_what_it_said_is_kept() -> None:
    with fails("COMMAND_TIMEOUT") as caught:
        run(["sh", "-c", "echo waiting for a lock; exec sleep 60"], seconds=0.3)
    assert caught.value.details == ["waiting for a lock"]


def test_a_missing_program_is_named() -> None:
    with fails("COMMAND_MISSING") as caught:
        run(["/no/such/docker", "ps"])
    assert "/no/such/docker" in caught.value.what


HOSTILE = {
    **{"COMPOSE_FILE": "/srv/other.yml", "COMPOSE_PROJECT_NAME": "other", "COMPOSE_PROFILES": "*", "COMPOSE_ENV_FILES": "/srv/env"},
    **{"DOCKER_HOST": "tcp://10.0.0.9:2375", "DOCKER_CONTEXT": "other", "DOCKER_CONFIG": "/srv", "DOCKER_TLS_VERIFY": "1"},
    **{
        "PGHOST": "10.0.0.9",
        "PGOPTIONS": "-c search_path=x",
        "LD_PRELOAD": "",
        "RESTIC_REPOSITORY": "/srv",
        "PATH": "/srv/bin",
        "HOME": "/srv",
    },
}


def test_nothing_of_a_logins_environment_reaches_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    got = dict(line.split("=", 1) for line in run(["env"]).out.splitlines())
    assert got.keys() & HOSTILE.keys() == {"DOCKER_HOST", "PATH", "HOME"}
    assert got["DOCKER_HOST"] == "unix:///var/run/docker.sock"
    assert "/srv" not in got["PATH"] + got["HOME"]
    assert got["HTTPS_PROXY"] == "http://proxy.example:3128", "how a host reaches the world is passed on"


def calls() -> list[tuple[str, ast.Call]]:
    """Every call of subprocess in code that runs on hosts."""
    found = []
    for file in sorted(UTILS.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("subprocess.run", "subprocess.Popen"):
                found.append((f"{file.name}:{node.lineno}", node))
    return found


def test_every_command_on_a_host_has_that_environment() -> None:
    assert len(calls()) > 5
    bare = [where for where, call in calls() if not any(keyword.arg == "env" for keyword in call.keywords)]
    # The linter of migrations runs on the controller.
    assert [where for where in bare if not where.startswith("_squawk.py:")] == []
