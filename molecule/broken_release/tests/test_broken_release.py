"""A release that is not good never serves; the message says why."""

import pytest

from lab.story import App, mixed_load_was_served

OLD = "the old release"
# Whatever a release logs, an operator can read what a run prints: twice thirty lines of a log at most, as Ansible repeats them.
SHOWN_CHARACTERS = 40_000
CASES = [
    pytest.param(
        "never_ready",
        {"app_release_ready_seconds": 12},
        "NOT_READY",
        ("HTTP 503", "ready … "),  # the second is told while it waits
        id="never ready",
        marks=pytest.mark.fault(row=14, fault="never ready (503)", code="NOT_READY", serves=OLD, says="last answers, last log lines"),
    ),
    pytest.param(
        "crashing",
        {},
        "APP_EXIT",
        ("exited with code 1", "Traceback"),
        id="crashes at start",
        marks=pytest.mark.fault(row=13, fault="exits at its start", code="APP_EXIT", serves=OLD, says="exit code, traceback"),
    ),
    pytest.param(
        "v4",
        {"app_release_identity": "header:X-Other", "app_release_ready_seconds": 10},
        "WRONG_RELEASE",
        ("unknown instead of",),
        id="somebody else",
        marks=pytest.mark.fault(row=17, fault="answers 200, as another release", code="WRONG_RELEASE", serves=OLD, says="both ids"),
    ),
    pytest.param(
        "v4",
        {"app_release_command": ["gunicorn", "--config", "gunicorn.conf.py", "--bind", "0.0.0.0:8000"]},
        "NOT_READY",
        ("made no api.sock; its container listens on TCP 8000 (all addresses)", "set app_listen: tcp and app_port: 8000"),
        id="listens elsewhere",
        marks=pytest.mark.fault(
            row=140,
            fault="listens on TCP instead of its socket",
            code="NOT_READY",
            serves=OLD,
            says="where it listens, the variables to set",
        ),
    ),
    pytest.param(
        "v4",
        {"app_release_command": ["gunicorn", "--config", "gunicorn.conf.py", "--umask", "0o077"]},
        "SOCKET_DENIED",
        ("may not open", "mode 0700", "umask of 007"),
        id="a socket that the proxy may not open",
        marks=pytest.mark.fault(
            row=141, fault="ready on a socket that the proxy may not open", code="SOCKET_DENIED", serves=OLD, says="owner, mode, the umask"
        ),
    ),
    pytest.param(
        "oom",
        {"app_release_memory": "256m"},
        "BAKE_FAILED",
        ("a process of it was killed because its memory was full", "app_release_memory (256 MB)"),
        id="a worker out of memory",
        marks=pytest.mark.fault(
            row=142, fault="a worker killed for memory after the switch", code="BAKE_FAILED", serves=OLD, says="the variable to raise"
        ),
    ),
    pytest.param(
        "loud",
        {},
        "APP_EXIT",
        ("exited with code 3", r"\x1b]0;owned\x07\x1b[2J\x00", " more characters]"),
        id="commands for the terminal",
        marks=pytest.mark.fault(
            row=143, fault="logs terminal commands and 1.5 MB in a line", code="APP_EXIT", serves=OLD, says="both as text, cut"
        ),
    ),
    pytest.param(
        "v4",
        {"app_release_memory": "24m", "app_release_migrate": False},
        "APP_EXIT",
        ("exited with code 137", "app_release_memory"),
        id="out of memory",
        marks=pytest.mark.fault(row=12, fault="out of memory at its start", code="APP_EXIT", serves=OLD, says="exit code 137, the limit"),
    ),
]


@pytest.fixture(scope="module", autouse=True)
def schema_of_v2(app: App) -> None:
    """The broken releases know the schema of v2."""
    app.deploy("v2").succeeded()


@pytest.mark.parametrize(("tag", "variables", "code", "evidence"), CASES)
def test_the_old_release_serves_on(app: App, tag: str, variables: dict[str, object], code: str, evidence: tuple[str, ...]) -> None:
    live, revision, running = app.live, app.revision, app.running()
    with app.load() as load:
        play = app.deploy(tag, **variables).failed_with(code)
    mixed_load_was_served(load)
    assert (set(load.report.releases) == {live}) is (code != "BAKE_FAILED")
    assert len(play.output) < SHOWN_CHARACTERS and play.output.replace("\n", "").isprintable(), repr(play.output[:SHOWN_CHARACTERS])
    for text in (*evidence, f"Serving now: {live}"):
        assert text in play.unfolded, play.output
    assert (app.live, app.revision, app.running()) == (live, revision, running)
    app.assert_tidy()


@pytest.mark.fault(row=15, fault="ready slowly, before the deadline", code="", serves="the new release", says="")
def test_a_slow_start_is_waited_for(app: App) -> None:
    with app.load() as load:
        app.deploy("slow").succeeded()
    mixed_load_was_served(load)
    app.assert_tidy()


def test_the_next_good_deploy_needs_no_clean_up(app: App) -> None:
    app.deploy("v5").succeeded()
    assert app.releases[app.live]["tag"] == "v5"
    app.assert_tidy()
