"""A release becomes ready by good answers in a row, and fails with evidence."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import Answer, Listener
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.candidate import PROBE_INTERVAL, Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.removal import remove_release
from fakes import BUSY, container, fails, good
from fakes_host import Host, settings_with
from fakes_proc import Proc

NOBODY = Answer(error="ConnectionRefusedError: [Errno 111] Connection refused")
GOOD = good("r1")
OTHER = good("r9")


def candidate(host: Host, **settings: Any) -> Candidate:
    """Return a release that was started just now."""
    release = Candidate(host.paths, host.prepared("v1", settings=settings_with(**settings)))
    host.engine.present[release.id] = container(release.id)
    return release


@pytest.mark.parametrize(
    ("wanted", "replies", "asked"),
    [
        (1, [GOOD], 1),
        (2, [GOOD], 2),
        (2, [NOBODY, BUSY, GOOD, GOOD], 4),
        (2, [GOOD, BUSY, GOOD, BUSY, GOOD, GOOD], 6),  # flapping: only answers in a row count
        (3, [GOOD, GOOD, OTHER, GOOD, GOOD, GOOD], 6),
    ],
)
def test_ready_after_good_answers_in_a_row(host: Host, wanted: int, replies: list[Answer], asked: int) -> None:
    host.answers.direct = list(replies)
    assert candidate(host, ready_successes=wanted).await_ready() == GOOD
    assert host.answers.asked == ["/ready"] * asked


@pytest.mark.parametrize(
    ("replies", "code", "shown"),
    [
        ([BUSY], "NOT_READY", ['HTTP 503 {"status": "not ready"}']),
        ([NOBODY, BUSY], "NOT_READY", [NOBODY.error, 'HTTP 503 {"status": "not ready"}']),
    ],
)
def test_not_ready_at_the_deadline(host: Host, replies: list[Answer], code: str, shown: list[str]) -> None:
    host.answers.direct = list(replies)
    started = host.clock.now
    with fails(code) as caught:
        candidate(host, ready_seconds=30).await_ready()
    assert 30 <= host.clock.now - started < 31
    assert "at /ready within 30 s" in caught.value.what
    assert caught.value.details == [
        "last answers:",
        *(f"  {line}" for line in shown),
        "last log lines:",
        "  last words of container-r1",
    ]


@pytest.mark.parametrize(
    ("replies", "code", "words", "todo"),
    [
        ([OTHER], "WRONG_RELEASE", "answers as release r9 instead of r1", "app_release_identity: none"),
        ([Answer(200)], "WRONG_RELEASE", "does not tell its release by header:X-Release", "app_release_identity: none"),
        ([BUSY] * 100 + [Answer(200)], "WRONG_RELEASE", "does not tell its release", "app_release_identity: none"),
        ([Answer(404)], "NOT_READY", "knows no page at /ready (HTTP 404)", "app_release_ready_path"),
    ],
)
def test_waiting_ends_when_the_answer_cannot_change_any_more(host: Host, replies: list[Answer], code: str, words: str, todo: str) -> None:
    host.answers.direct = list(replies)
    started = host.clock.now
    with fails(code) as caught:
        candidate(host, ready_seconds=60).await_ready()
    assert 5 <= host.clock.now - started - PROBE_INTERVAL * (len(replies) - 1) < 5.5
    assert words in caught.value.what
    assert todo in caught.value.todo


def test_a_release_that_serves_and_lost_a_process_long_ago_is_ready(host: Host, proc: Proc) -> None:
    """A run that clears up after another, or a restore, waits for the live release too."""
    proc.memory(4711, 3)
    host.answers.direct = [GOOD]
    release = candidate(host)
    assert release.await_ready() == GOOD
    with fails("APP_EXIT"):
        release.require_memory()


def test_an_answer_that_changes_is_waited_for(host: Host) -> None:
    """A page that is missing now and then is not a path that is wrong."""
    host.answers.direct = [*([Answer(404)] * 40 + [BUSY]) * 5, GOOD, GOOD]
    assert candidate(host).await_ready() == GOOD


def test_the_path_that_answers_is_proposed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Listener, "get", lambda self, path, *_: Answer(200 if path in ("/healthz", "/docs") else 404))
    with fails("NOT_READY") as caught:
        candidate(host).await_ready()
    assert caught.value.todo.startswith("set app_release_ready_path: /healthz,")


@pytest.mark.parametrize(
    ("settings", "listens", "answers", "seconds", "todo"),
    [
        # It answers there: it will not come to the socket.
        ({}, ("00000000", 8000), True, 5, "set app_listen: tcp and app_port: 8000, run"),
        # What it has there may be for its metrics only, and the socket may come.
        ({}, ("00000000", 9090), False, 15, "set app_listen: tcp and app_port: 9090, run"),
        ({"listen": "tcp"}, ("00000000", 8080), True, 5, "set app_port: 8080, run"),
        ({"listen": "tcp"}, ("0100007F", 8000), False, 5, "have it listen on 0.0.0.0"),
    ],
)
def test_where_the_container_listens_is_looked_at(
    host: Host,
    proc: Proc,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    listens: tuple[str, int],
    answers: bool,
    seconds: float,
    todo: str,
) -> None:
    proc.listens(4711, listens)
    monkeypatch.setattr(Listener, "get", lambda self, path, *_: Answer(200) if answers and self.port == listens[1] else NOBODY)
    started = host.clock.now
    with fails("NOT_READY") as caught:
        candidate(host, **settings).await_ready()
    assert seconds <= host.clock.now - started < seconds + 1.5
    assert todo in caught.value.todo


def test_a_release_that_listens_nowhere_yet_is_waited_for(host: Host, proc: Proc) -> None:
    proc.listens(4711)
    host.answers.direct = [NOBODY] * 300 + [GOOD, GOOD]
    assert candidate(host).await_ready() == GOOD


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"ExitCode": 1}, "exited with code 1"),
        ({"ExitCode": 137}, "exited with code 137 (killed; most often for memory: app_release_memory)"),
    ],
)
def test_an_exit_is_reported_at_once_with_the_last_log_lines(host: Host, state: dict[str, Any], words: str) -> None:
    release = candidate(host)
    host.engine.present[release.id] = container(release.id, Running=False, **state)
    started = host.clock.now
    with fails("APP_EXIT") as caught:
        release.await_ready()
    assert words in caught.value.what
    assert caught.value.details == ["last words of container-r1"]
    assert host.clock.now == started


def test_an_exit_while_waiting_ends_the_wait(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    release = candidate(host)
    host.answers.direct = [NOBODY]
    started, sleep = host.clock.now, host.clock.sleep

    def dies_after_two_seconds(seconds: float) -> None:
        sleep(seconds)
        if host.clock.now > started + 2:
            host.engine.present[release.id] = container(release.id, Running=False, ExitCode=3)

    monkeypatch.setattr(host.clock, "sleep", dies_after_two_seconds)
    with fails("APP_EXIT"):
        release.await_ready()
    assert host.clock.now - started < 3


def test_a_container_that_vanished_is_reported(host: Host) -> None:
    release = candidate(host)
    host.engine.present.clear()
    with fails("APP_EXIT") as caught:
        release.await_ready()
    assert "is gone" in caught.value.what


def test_a_release_is_asked_past_the_edge(host: Host) -> None:
    by_socket = candidate(host)
    assert by_socket.listener(container("r1")).socket_path == host.paths.socket("r1")
    by_port = candidate(host, listen="tcp", port=8080).listener(container("r2"))
    assert (by_port.socket_path, by_port.address, by_port.port, by_port.tls) == (None, "172.20.0.5", 8080, None)


def test_a_migration_container_is_not_taken_for_the_app(host: Host) -> None:
    release = candidate(host)
    host.engine.present[release.id]["Config"]["Labels"]["com.docker.compose.oneoff"] = "True"
    assert release.container() is None


def test_starting_makes_a_directory_for_the_socket_that_the_edge_may_enter(host: Host) -> None:
    release = candidate(host)
    release.start()
    assert host.paths.socket_dir(release.id).stat().st_mode & 0o7777 == 0o2750
    host.engine.compose_leaves = Finished(1, "", "port is already allocated")
    with fails("START_FAILED") as caught:
        release.start()
    assert caught.value.details == ["port is already allocated"]


def test_removing_a_release_leaves_nothing_however_much_there_is(host: Host) -> None:
    release = candidate(host)
    release.start()
    for _ in range(2):
        remove_release(host.paths, release.id)
        assert host.engine.present == {}
        assert not host.paths.bundle("r1").exists()
        assert not host.paths.socket_dir("r1").exists()


@pytest.mark.parametrize("running", [True, False])
def test_it_is_started_again_without_its_one_off_containers(host: Host, running: bool) -> None:
    release = candidate(host)
    host.engine.present[release.id]["State"]["Running"] = running
    host.engine.present["migration"] = container(release.id, service="migrate")
    release.restart()
    assert host.engine.told == ["restart container-r1"]


def stopped(host: Host) -> Candidate:
    """Return a release that was live, and whose container was stopped."""
    host.serves("v1", "v2")
    return Candidate(host.paths, "r1")


def test_a_container_that_is_there_still_is_started(host: Host) -> None:
    stopped(host).start()
    assert host.engine.told == ["start container-r1"]


def test_a_bundle_that_was_edited_makes_a_new_container(host: Host) -> None:
    release = stopped(host)
    (host.paths.bundle("r1") / "app.env").write_text("LOG_LEVEL=debug\n")
    release.start()
    assert host.engine.told == ["compose up shop-r1"]


def test_a_container_of_another_image_is_made_anew(host: Host) -> None:
    release = stopped(host)
    host.engine.present["r1"]["Config"]["Image"] = "registry.lab:5000/shop/api:v1"
    release.start()
    assert host.engine.told == ["compose up shop-r1"]


def test_what_the_engine_cannot_start_again_is_made_anew(host: Host) -> None:
    host.engine.starts_again = False  # a network of it is gone
    stopped(host).start()
    assert host.engine.told == ["start container-r1", "compose up shop-r1"]
