"""Commands run without a shell, end in time, and leave what they said."""

import sys
from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._command import Finished, run
from fakes import fails

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
