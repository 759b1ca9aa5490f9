"""Commands run without a shell, end in time, and leave what they said."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base import command
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import SHOWN_BYTES, Finished, Kept, run
from fakes import fails

UTILS = Path(__file__).parents[6] / "plugins" / "module_utils"
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


def test_a_command_that_hangs_is_ended_and_its_output_is_kept() -> None:
    with fails("COMMAND_TIMEOUT") as caught:
        run(["sh", "-c", "echo waiting for a lock; exec sleep 60"], seconds=0.3)
    assert caught.value.details == ["waiting for a lock"]


def test_a_missing_program_is_named() -> None:
    with fails("COMMAND_MISSING") as caught:
        run(["/no/such/docker", "ps"])
    assert "/no/such/docker" in caught.value.what


# 200 MB of lines, with a beginning and an end.
FLOOD = """
import sys
print("first")
for _ in range(2000):
    sys.stdout.write("x" * 99999 + chr(10))
print("last", flush=True)
print("why", file=sys.stderr)
"""
MEASURED = """
import re, sys
from pathlib import Path
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import run
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
try:
    run([sys.executable, "-c", sys.argv[1]], merge=sys.argv[2] == "merge")
except ReleaseError as error:
    print(error.code, end=" ")
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.parametrize(("kept", "code", "megabytes"), [("merge", "", 48), ("whole", "OUTPUT_TOO_LARGE", 112)])
def test_a_flood_takes_little_memory(kept: str, code: str, megabytes: int) -> None:
    collections = str(next(path for path in Path(command.__file__).parents if path.name == "ansible_collections").parent)
    words = [sys.executable, "-c", MEASURED, FLOOD, kept]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={"PYTHONPATH": collections})
    *codes, used = done.stdout.split()
    assert "".join(codes) == code
    assert int(used) < megabytes


def test_of_a_flood_the_beginning_and_the_end_are_kept() -> None:
    out = run([sys.executable, "-c", FLOOD], merge=True).out
    assert out.startswith("first\nxxx")
    assert out.endswith("xxx\nlast\nwhy\n")
    assert len(out) < SHOWN_BYTES + 100
    printed = len("first\nlast\nwhy\n") + 2000 * 100_000
    assert f"[{printed - SHOWN_BYTES} bytes were left out here]" in out


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 25, 1000])
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_what_is_kept(size: int, chunk: int) -> None:
    content, kept = bytes(65 + n % 26 for n in range(size)), Kept(10)
    for start in range(0, size, chunk):
        kept.add(content[start : start + chunk])
    whole = content.decode()
    assert kept.text() == (whole if size <= 10 else f"{whole[:5]}\n[{size - 10} bytes were left out here]\n{whole[-5:]}")
    assert kept.dropped == max(size - 10, 0)


def test_a_command_that_reads_a_lot_and_prints_a_lot_does_not_block() -> None:
    text = "0123456789" * 100_000
    assert run(["cat"], stdin=text).out == text
    assert run(["true"], stdin=text).code == 0


def test_children_that_keep_the_output_open_do_not_outlast_the_limit() -> None:
    began = time.monotonic()
    with fails("COMMAND_TIMEOUT"):
        run(["sh", "-c", "sleep 5 & echo gone"], seconds=0.3)
    assert time.monotonic() - began < 3


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
    for file in sorted((UTILS / "_host").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("subprocess.run", "subprocess.Popen"):
                found.append((f"{file.name}:{node.lineno}", node))
    return found


def test_every_command_on_a_host_has_that_environment() -> None:
    assert len(calls()) > 5
    bare = [where for where, call in calls() if not any(keyword.arg == "env" for keyword in call.keywords)]
    assert bare == []
