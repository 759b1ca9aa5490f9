"""The proxy may open a release's socket, or the release is refused before a request is sent there."""

import os
import stat

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.proc import Identity
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge.access import denied_entry, remedy, require_access
from fakes import FakeEngine, fails, service
from fakes_host import SETTINGS, Host, settings_with
from fakes_proc import EDGE, Proc

PROXY = Identity(20001, 20001, frozenset({20001, 33}), overrides=False)


def entry(mode: int, user: int = 0, group: int = 0) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 0, user, group, 0, 0, 0, 0))


def directory(mode: int, user: int = 0, group: int = 0) -> tuple[str, os.stat_result]:
    return "directory", entry(stat.S_IFDIR | mode, user, group)


def socket(mode: int, user: int = 0, group: int = 0) -> tuple[str, os.stat_result]:
    return "socket", entry(stat.S_IFSOCK | mode, user, group)


OPEN = directory(0o755)


@pytest.mark.parametrize(
    ("entries", "denied"),
    [
        ([OPEN, directory(0o2750, 10001, 20001), socket(0o770, 10001, 20001)], None),
        ([OPEN, directory(0o2750, 10001, 33), socket(0o666, 10001, 33)], None),  # by a further group
        ([OPEN, directory(0o2750, 1000, 1000), socket(0o777, 1000, 1000)], "directory"),  # app_release_user: 1000:1000
        ([OPEN, OPEN, socket(0o755, 10001, 20001)], "socket"),  # a umask of 022
        ([OPEN, OPEN, socket(0o770, 10001, 1000)], "socket"),
        ([OPEN, OPEN, socket(0o600, 20001, 1000)], None),  # its own
        ([OPEN, OPEN, socket(0o077, 20001, 20001)], "socket"),  # the owner's bits count for the owner, whatever the others say
        ([OPEN, OPEN, socket(0o707, 10001, 20001)], "socket"),
        ([OPEN, OPEN, socket(0o702, 10001, 1000)], None),
        ([directory(0o700), OPEN, socket(0o777)], "directory"),
        ([directory(0o744), OPEN, socket(0o777)], "directory"),  # it may be listed, not entered
    ],
)
def test_who_may_connect(entries: list[tuple[str, os.stat_result]], denied: str | None) -> None:
    found = denied_entry(PROXY, entries)
    assert (found and found[0]) == denied
    assert denied_entry(Identity(0, 0, frozenset({0}), overrides=True), entries) is None


def test_the_remedy_names_the_group_or_the_umask() -> None:
    assert 'app_release_user: "1000:20001"' in remedy(PROXY, entry(stat.S_IFDIR | 0o2750, 1000, 1000), "1000:1000")
    assert "umask of 007" in remedy(PROXY, entry(stat.S_IFSOCK | 0o755, 10001, 20001), "10001:20001")


@pytest.fixture
def listening(host: Host) -> Host:
    """`r1` listens on its socket, in a directory that nobody but its owner may enter."""
    host.serves("v1")
    host.paths.socket_dir("r1").mkdir(mode=0o700)
    os.mknod(host.paths.socket("r1"), stat.S_IFREG | 0o600)
    return host


def test_a_release_is_refused_before_the_switch(listening: Host, engine: FakeEngine, proc: Proc) -> None:
    engine.projects["edge"] = [service("edge", "caddy", Pid=EDGE)]
    proc.identity(EDGE, os.getuid() + 1, os.getgid() + 1)
    with fails("SOCKET_DENIED") as caught:
        require_access(listening.paths, "r1", "r1 (shop:v1)", settings_with(user="1000:1000"))
    assert f"the proxy ({os.getuid() + 1}:{os.getgid() + 1}) may not open {listening.paths.run_root}" in caught.value.what
    assert f"1000:{os.getgid() + 1}" in caught.value.todo


def test_what_cannot_be_judged_is_left_to_the_question_after_the_switch(
    listening: Host, engine: FakeEngine, proc: Proc, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_access(listening.paths, "r1", "r1", SETTINGS)  # no proxy on this host
    engine.projects["edge"] = [service("edge", "caddy", Pid=EDGE)]
    proc.identity(EDGE, os.getuid() + 1, os.getgid() + 1)
    monkeypatch.setattr(os, "getxattr", lambda *_, **__: b"an access list")
    require_access(listening.paths, "r1", "r1", SETTINGS)
