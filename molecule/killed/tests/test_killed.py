"""A deploy may be killed at any of its phases: users notice nothing, and nobody has to clean up."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.run.entry import PHASES

from lab.controller import Controller, deploying
from lab.freeze import Watch, watching
from lab.story import THOROUGH, App, mixed_load_was_served

VARIABLES = yaml.safe_load((Path(__file__).parents[2] / "upgrade" / "vars" / "main.yml").read_text())
# Requests per second. The long polls among them are shorter than usual, because the load waits for them in the end.
LOAD: dict[str, Any] = {"rate": 100, "long_poll": 1}
# They share a schema, so that any of them can follow any other.
TAGS = ("v2", "v3", "v4", "v5")
# These phases are there only when something is pending, which nobody can tell of a command other than Alembic's.
MIGRATION = ("BACKED_UP", "MIGRATING", "MIGRATED")
MIGRATE = {"app_release_migrate_command": ["sh", "-c", "alembic upgrade head"]}
# A stage is stopped once it was found by its lock; a run that was beyond the phase by then is let go to its end.
ATTEMPTS = 3
ANSWER_SECONDS = 60.0
# How long the host waits for a controller to go on: shorter than usual, because here every next run waits it out.
LEASE = {"__app_release_lease_seconds": 3}
PLAIN_LOAD: dict[str, Any] = {"rate": 100, "profile": "foreign", "paths": ["/health", "/items?limit=1"]}

# Unless every case is wanted, each phase is killed in one way: the power is cut at every other one, and at the rest the controller and
# the connection take turns, which to the host are the same.
POWERLESS_AT = PHASES if THOROUGH else PHASES[0::2]
KILLED_AT = PHASES if THOROUGH else PHASES[1::4]
CUT_AT = PHASES if THOROUGH else PHASES[3::4]


def forms(phases: tuple[str, ...]) -> list[tuple[str, bool]]:
    """Return each phase with whether each stage of the run is a call of its own: both forms, or one and the other by turns."""
    return [(phase, apart) for phase in phases for apart in (False, True) if THOROUGH or apart == (PHASES.index(phase) // 2 % 2 == 1)]


SERVES = "the old release before the switch, the new one after it"
POWER = "the host loses power and starts again, at every phase"
SAYS = "which release was completed or cleared away, and at which phase its run had ended"


@dataclass(frozen=True)
class Stopped:
    """A deploy of `tag` that stands still at a phase; `serving` is the release that users must get now."""

    tag: str
    serving: str
    controller: Controller
    stage: Watch


@pytest.fixture(scope="session")
def app() -> App:
    """The app with the variables it was made with."""
    return App("killed", variables=VARIABLES)


@pytest.fixture(scope="module", autouse=True)
def schema_of_v2(app: App) -> None:
    """All the releases here share the schema of v2."""
    app.deploy("v2").succeeded()


@pytest.fixture(autouse=True)
def clocked(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Tell how long each case takes."""
    begin = time.monotonic()
    yield
    with capsys.disabled():
        print(f" {time.monotonic() - begin:.0f} s", flush=True)


@pytest.mark.parametrize(("phase", "apart"), forms(KILLED_AT))
@pytest.mark.fault(row=33, fault="the controller is killed with SIGKILL, at every phase", code="", serves=SERVES, says=SAYS)
def test_the_controller_is_killed(app: App, phase: str, apart: bool) -> None:
    app = with_work(app, phase)
    with app.load(**LOAD) as load:
        with deploy_stopped(app, phase, apart) as deploy:
            deploy.controller.kill()
            the_right_release_serves(app, phase, deploy)
            # What still runs there is waited for: the next deploy comes at once.
            deploy.stage.thaw(wait=False)
        a_deploy_succeeds(app, deploy.tag, complete=goes_on_alone(phase, apart))
        a_rollback_succeeds(app)
    mixed_load_was_served(load)


@pytest.mark.parametrize(("phase", "apart"), forms(CUT_AT))
@pytest.mark.fault(row=34, fault="the SSH connection is cut, at every phase", code="", serves=SERVES, says=SAYS)
def test_the_connection_is_cut(app: App, phase: str, apart: bool) -> None:
    app = with_work(app, phase)
    with app.load(**LOAD) as load:
        with deploy_stopped(app, phase, apart) as deploy:
            deploy.stage.cut()
            play = deploy.controller.wait()
            assert play.code == 4 and "UNREACHABLE!" in play.unfolded, play.output
            the_right_release_serves(app, phase, deploy)
            deploy.stage.thaw()
        a_deploy_succeeds(app, deploy.tag, complete=goes_on_alone(phase, apart))
    mixed_load_was_served(load)


@pytest.mark.parametrize(("phase", "apart"), forms(POWERLESS_AT))
@pytest.mark.fault(
    row=35, fault="the host loses power and starts again, at every phase", code="", serves=f"after the boot {SERVES}", says=SAYS
)
def test_the_host_loses_power(app: App, phase: str, apart: bool) -> None:
    app = with_work(app, phase)
    with ExitStack() as afterwards:
        with app.load(**PLAIN_LOAD) as load:
            deploy = afterwards.enter_context(deploy_stopped(app, phase, apart))
        app.host.kill()
        deploy.controller.kill()
    assert load.report.failed == 0, load.report.failures
    app.host.start()
    await_answer(app)
    the_right_release_serves(app, phase, deploy)
    a_deploy_succeeds(app, another_tag(app), complete=phase == PHASES[-1])


def with_work(app: App, phase: str) -> App:
    """Return the app with a migration to be run, where the phase belongs to one."""
    return App(app.name, variables={**VARIABLES, **MIGRATE}) if phase in MIGRATION else app


@contextmanager
def deploy_stopped(app: App, phase: str, apart: bool) -> Iterator[Stopped]:
    """Begin a deploy, and stop it when its journal says that it has reached the phase."""
    options = {**LEASE, "release_stages": apart}
    for _ in range(ATTEMPTS):
        old, tag = app.live, another_tag(app)
        with watching(app, phase) as stage, deploying(app, tag, **options) as controller:
            if stage.reached():
                assert stage.release or phase == PHASES[0]
                switched = PHASES.index(phase) >= PHASES.index("SWITCHED")
                yield Stopped(tag, stage.release if switched and stage.release else old, controller, stage)
                return
            stage.close()
            play = controller.wait()
            assert play.code == 0, f"it was not stopped in time at {phase}, and then failed\n{play.output}"
    raise AssertionError(f"the deploy was never stopped in time at {phase}")


def the_right_release_serves(app: App, phase: str, deploy: Stopped) -> None:
    """Check what users get while the journal still says the phase."""
    assert app.journal["phase"] == phase
    status, headers, body = app.get("/ready")
    assert (status, headers["x-release"]) == (200, deploy.serving), body


def goes_on_alone(phase: str, apart: bool) -> bool:
    """Tell whether a host that lost its controller ends the run by itself, because it was given all of it."""
    return phase == PHASES[-1] or not (apart or phase in MIGRATION)


def a_deploy_succeeds(app: App, tag: str, complete: bool) -> None:
    """Do what an operator does who knows nothing: deploy again. A run that was left unfinished is told, and the tag is live."""
    play = app.deploy(tag).succeeded()
    assert complete != ("RECOVERED: " in play.unfolded), play.output
    assert app.releases[app.live]["tag"] == tag
    app.assert_tidy()


def a_rollback_succeeds(app: App) -> None:
    """Go back to the release before."""
    before = app.releases[app.live]["previous"]
    app.rollback().succeeded()
    assert app.live == before
    app.assert_tidy()


def another_tag(app: App) -> str:
    """Return a tag that is not live."""
    live = app.releases[app.live]["tag"]
    return next(tag for tag in TAGS if tag != live)


def await_answer(app: App) -> None:
    """Wait until the app answers after a boot."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        with suppress(OSError):
            if app.get("/ready")[0] == 200:
                return
        assert time.monotonic() < deadline, f"no answer {ANSWER_SECONDS:g} s after the boot"
        time.sleep(0.1)
