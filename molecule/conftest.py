"""What the scenarios' tests share: the app under test, the host as testinfra sees it, and what must hold when all is over."""

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
    """The app that molecule/shared/converge.yml has made live; a scenario with a converge.yml of its own has an app of its own."""
    return App("story")


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
