"""Whether the controller of a stage is there: told by the pipe that the answer goes to."""

import os
import time
from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run import controller

SECONDS = 20.0


def test_it_is_gone_when_nobody_reads(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    assert not controller.is_gone(writer)
    os.close(reader)
    assert controller.is_gone(writer)
    os.close(writer)


def test_a_file_or_nothing_is_no_sign(tmp_path: Path) -> None:
    for path in (tmp_path / "answer", Path("/dev/null")):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT)
        assert not controller.is_gone(handle)
        os.close(handle)


def test_others_see_when_it_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "LOOK_SECONDS", 0.01)
    reader, writer = os.pipe()
    assert not controller.is_watching(tmp_path)
    with controller.watched(tmp_path, writer):
        assert controller.is_watching(tmp_path)
        os.close(reader)
        deadline = time.monotonic() + SECONDS
        while controller.is_watching(tmp_path):
            assert time.monotonic() < deadline, "the lock was not given up"
            time.sleep(0.01)
    os.close(writer)


def test_it_ends_with_the_stage(tmp_path: Path) -> None:
    with controller.watched(tmp_path):
        assert controller.is_watching(tmp_path)
    assert not controller.is_watching(tmp_path)


def test_one_that_is_gone_already_is_not_announced_again(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with controller.watched(tmp_path, writer):
        assert not controller.is_watching(tmp_path)
    os.close(writer)
