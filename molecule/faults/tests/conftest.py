"""What the stories about faults begin with."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.story import App


@pytest.fixture(scope="session", autouse=True)
def schema_of_v2(the_invariants_hold: None, app: App) -> None:
    """The broken releases know the schema of v2; and there is a release to go back to."""
    app.deploy("v2").succeeded()


@pytest.fixture(scope="module")
def background() -> Iterator[ThreadPoolExecutor]:
    """Where runs go on beside the test."""
    with ThreadPoolExecutor() as executor:
        yield executor
