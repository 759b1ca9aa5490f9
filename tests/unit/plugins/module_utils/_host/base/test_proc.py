"""What the kernel tells of a container's processes."""

import os
import socket
from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base import proc as _proc
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.proc import Identity, Listening
from fakes_proc import UNIX_LISTENING, Proc

PID = 4711


@pytest.mark.parametrize(
    ("address", "port", "found"),
    [
        ("00000000", 8000, "TCP 8000 (all addresses)"),
        ("0100007F", 8000, "127.0.0.1:8000 only"),
        ("050014AC", 65535, "172.20.0.5:65535 only"),
        ("0" * 32, 8080, "TCP 8080 (all addresses)"),
        ("0" * 24 + "01000000", 8080, "::1:8080 only"),
        ("0000000000000000FFFF00000100007F", 8080, "127.0.0.1:8080 only"),
    ],
)
def test_where_a_container_listens(proc: Proc, address: str, port: int, found: str) -> None:
    proc.listens(PID, (address, port))
    assert list(map(str, _proc.listening(PID))) == [found]


def test_only_sockets_with_names_are_listed(proc: Proc) -> None:
    proc.listens(PID, ("00000000", 80), ("00000000", 80), paths=["/run/fairlead/api.sock", "/tmp/with space", "@abstract"])
    assert _proc.listening(PID) == [
        Listening(address="0.0.0.0", port=80),
        Listening("/run/fairlead/api.sock"),
        Listening("/tmp/with space"),
    ]


@pytest.mark.parametrize("path", ["/tmp/a\nb", "/tmp/a\n1 2 3 zz 5 6 7 /x", "/tmp/a\n\n", "/tmp/\udcff"])
def test_a_path_made_to_confuse_does_no_harm(proc: Proc, path: str) -> None:
    proc.listens(PID)
    (proc.root / str(PID) / "net" / "unix").write_bytes(f"head\n{UNIX_LISTENING.format(path=path)}\n".encode(errors="surrogateescape"))
    assert all(one.path.startswith("/tmp/") for one in _proc.listening(PID))


def test_a_table_without_end_is_cut(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_proc, "TABLE_BYTES", 10_000)
    proc.listens(PID, paths=[f"/tmp/{n}" for n in range(5000)])
    assert 0 < len(_proc.listening(PID)) < 200


def test_of_a_process_that_is_gone_nothing_is_known(proc: Proc) -> None:
    assert (_proc.listening(PID), _proc.identity(PID), _proc.killed_for_memory(PID)) == ([], None, None)


def test_as_whom_a_process_opens_files(proc: Proc) -> None:
    proc.identity(PID, 10001, 20001, [20002, 20003])
    assert _proc.identity(PID) == Identity(10001, 20001, frozenset({20001, 20002, 20003}), overrides=False)
    proc.identity(PID, 0, 0, capabilities=0b11)
    assert _proc.identity(PID) == Identity(0, 0, frozenset({0}), overrides=True)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("killed", [0, 3, None])
def test_what_was_killed_for_memory(proc: Proc, version: int, killed: int | None) -> None:
    proc.memory(PID, killed, version)
    assert _proc.killed_for_memory(PID) == killed


def test_the_kernel_itself_is_understood(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s"))
        unix.listen()
        found = _proc.listening(os.getpid())
        assert Listening(address="127.0.0.1", port=tcp.getsockname()[1]) in found
        assert Listening(str(tmp_path / "s")) in found
    who = _proc.identity(os.getpid())
    assert who is not None
    assert (who.user, who.group, who.groups) == (os.geteuid(), os.getegid(), frozenset({*os.getgroups(), os.getegid()}))
