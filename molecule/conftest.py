"""What the scenarios' tests share: the app under test, the host as testinfra sees it, and what must hold when all is over."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import testinfra
from ansible.plugins.loader import init_plugin_loader

from lab import invariants, paths, timings
from lab.story import App

# Makes `ansible_collections.fairlead.fastapi` importable, the way Ansible itself imports collections.
init_plugin_loader([str(paths.REPOSITORY / ".ansible" / "collections")])


@pytest.fixture(scope="session")
def app() -> App:
    """The app that converge deployed: the scenario's own, or where it has no converge.yml, the one that scenarios share."""
    scenario = os.environ["MOLECULE_SCENARIO_NAME"]
    own = (paths.REPOSITORY / "molecule" / scenario / "converge.yml").exists()
    return App(scenario.replace("_", "-") if own else "story")


@pytest.fixture(scope="session")
def server(app: App) -> Any:
    """The host that the app runs on."""
    return testinfra.get_host(f"docker://{app.host.name}")


@pytest.fixture(scope="session", autouse=True)
def the_invariants_hold(request: pytest.FixtureRequest, app: App) -> Iterator[None]:
    """Whatever a scenario did to its app: in the end every invariant holds. After a failed test that is not worth the time."""
    yield
    if not request.session.testsfailed:
        invariants.assert_all(app)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what each test took, and its fixtures apart."""
    name = report.nodeid.rpartition("/")[2]
    timings.note("test", name if report.when == "call" else f"{name} ({report.when})", report.duration)
