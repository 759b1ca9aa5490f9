"""What the scenarios' tests share: the app under test, and the host as testinfra sees it."""

import os
from typing import Any

import pytest
import testinfra

from lab.story import App


@pytest.fixture(scope="session")
def app() -> App:
    """The scenario's own app, which converge deployed."""
    return App(os.environ["MOLECULE_SCENARIO_NAME"].replace("_", "-"))


@pytest.fixture(scope="session")
def server(app: App) -> Any:
    """The host that the app runs on."""
    return testinfra.get_host(f"docker://{app.host.name}")
