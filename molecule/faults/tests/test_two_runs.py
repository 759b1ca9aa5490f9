"""Runs that meet, and stages that die: one run at a time, and nobody ever removes a lock by hand."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from lab.freeze import Watch, watching
from lab.play import Play
from lab.results import results
from lab.story import App, mixed_load_was_served

# From its stage's begin, a run that has to stand back says so.
REFUSED_SECONDS = 2.0
# From its command to its stage on the host.
ARRIVED_SECONDS = 120.0
# From the engine's return until packets that it dropped were sent again.
SETTLED_SECONDS = 2.0
# Few enough that the probe lists every failure.
RATE = 40


def stages_on_host(app: App) -> int:
    """Count the processes that hold or want the app's lock."""
    found = app.host.run(["find", "/proc", "-maxdepth", "3", "-lname", f"/opt/fairlead/{app.name}"]).stdout
    return len({line.split("/")[2] for line in found.splitlines()})


@pytest.fixture(scope="module")
def busy(app: App, background: ThreadPoolExecutor) -> Iterator[tuple[Watch, "Future[Play]"]]:
    """A deploy that has started its release and is held there."""
    with watching(app, "STARTED") as watch:
        first = background.submit(app.deploy, "v4")
        assert watch.reached()
        yield watch, first


@pytest.mark.parametrize(
    ("playbook", "variables"),
    [
        pytest.param(
            *("deploy", {"image_tag": "v3"}),
            marks=pytest.mark.fault(
                row=36, fault="two deploys at once", code="LOCKED", serves="what the first one says", says="owner, run, since, phase"
            ),
        ),
        pytest.param(
            *("rollback", {}),
            marks=pytest.mark.fault(
                row=37,
                fault="deploy and rollback at once",
                code="LOCKED",
                serves="what the first one says",
                says="owner, run, since, phase",
            ),
        ),
    ],
)
def test_the_second_run_stands_back(app: App, busy: tuple[Watch, "Future[Play]"], playbook: str, variables: dict[str, str]) -> None:
    journal, releases = app.journal, set(app.releases)
    play = app.play(playbook, "-v", **variables).failed_with("LOCKED")
    for text in (journal["owner"], journal["run"], journal["since"], "STARTED"):
        assert text in play.unfolded, play.output
    (refusal,) = (result for result in results(play.output) if result.get("code") == "LOCKED")
    assert sum(step["seconds"] for step in refusal["steps"]) < REFUSED_SECONDS
    assert (app.journal, set(app.releases)) == (journal, releases)


@pytest.mark.fault(
    row=146,
    fault="a deploy told to wait for another",
    code="–",
    serves="the second one's release",
    says="WAITED: for whom, how long, its end",
)
def test_the_first_run_proceeds_and_one_that_waited_follows(
    app: App, busy: tuple[Watch, "Future[Play]"], background: ThreadPoolExecutor
) -> None:
    watch, first = busy
    second = background.submit(app.deploy, "v5", lock_wait=300)
    deadline = time.monotonic() + ARRIVED_SECONDS
    while stages_on_host(app) < 2:
        assert time.monotonic() < deadline, "the second run did not come"
        time.sleep(0.5)
    watch.thaw()
    first.result().succeeded()
    waited = second.result().succeeded().output
    assert "WAITED: " in waited and "which ended as COMMITTED" in waited, waited
    assert [app.releases[release]["tag"] for release in (app.releases[app.live]["previous"], app.live)] == ["v4", "v5"]
    app.assert_tidy()


@pytest.mark.fault(
    row=38, fault="stage killed with SIGKILL", code="–", serves="the old release", says="RECOVERED: which run, where it ended"
)
def test_a_killed_stage_holds_no_lock(app: App, background: ThreadPoolExecutor) -> None:
    live = app.live
    with app.load() as load:
        with watching(app, "STARTED") as watch:
            deploy = background.submit(app.deploy, "v3")
            assert watch.reached()
            app.on_host("kill", "-KILL", str(watch.pid))
        assert deploy.result().code != 0
        assert app.live == live
        play = app.deploy("v3").succeeded()
    mixed_load_was_served(load)
    assert "RECOVERED: " in play.unfolded and "ended at STARTED" in play.unfolded, play.output
    app.assert_tidy()


@pytest.mark.fault(
    row=39, fault="engine restarted in mid-deploy", code="–", serves="the old release, or the new one", says="what failed, if it did"
)
def test_the_engine_restarts_in_mid_deploy(app: App, background: ThreadPoolExecutor) -> None:
    """With live-restore all containers go on. The engine makes its forwarding rules anew, and refuses connections meanwhile."""
    with app.load(RATE) as load:
        with watching(app, "STARTED") as watch:
            deploy = background.submit(app.deploy, "v4")
            assert watch.reached()
            began = time.time()
            app.on_host("systemctl", "restart", "docker")
            ended = time.time()
        first = deploy.result()
        app.assert_tidy()
        app.deploy("v4").succeeded()
    report = load.report
    print(f"the deploy ended with exit code {first.code}; {report.failed} of {report.requests} requests failed in {ended - began:.1f} s")
    assert report.failed == len(report.failures), "the probe lists only the first failures: lower the rate"
    outside = [failure for failure in report.failures if not began <= report.started_unix + failure.at <= ended + SETTLED_SECONDS]
    assert not outside and not report.lost and not report.doubled, outside
    assert app.releases[app.live]["tag"] == "v4"
    app.assert_tidy()
