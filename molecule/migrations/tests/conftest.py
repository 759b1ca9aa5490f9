"""The schema that the migrations follow."""

import pytest

from lab.story import App


@pytest.fixture(scope="session", autouse=True)
def schema_of_v2(app: App) -> None:
    """What the migrations here follow."""
    app.deploy("v2").succeeded()
    app.sql("INSERT INTO items (name, reference) VALUES ('first', 'twice'), ('second', 'twice')")
