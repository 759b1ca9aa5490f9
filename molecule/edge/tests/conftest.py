"""The app that converge deployed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import paths
from lab.story import App


@pytest.fixture(scope="session")
def variables() -> dict[str, Any]:
    """What converge set on top of the lab's inventory."""
    found: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "vars" / "main.yml").read_text())
    return found


@pytest.fixture(scope="session")
def app(variables: dict[str, Any]) -> App:
    """The app that converge deployed, seen by users who trust the lab's authority."""
    found = App("edge-story", variables=variables)
    found.authority = paths.CA_CERTIFICATE
    return found
