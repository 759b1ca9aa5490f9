import os
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from app.database import create_engine
from app.items.models import Base
from app.settings import Settings
from tests.server import ROOT


def alembic(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DATABASE_NAME": settings.database_name}
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


@pytest.mark.anyio
async def test_migrations_build_the_models_tables_once(other_database: Settings) -> None:
    assert "Running upgrade  -> 0001" in alembic(other_database, "upgrade", "head").stderr
    assert "Running upgrade" not in alembic(other_database, "upgrade", "head").stderr
    assert alembic(other_database, "current").stdout.startswith("0001 (head)")
    engine = create_engine(other_database)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()
    alembic(other_database, "downgrade", "base")


def test_migrations_can_be_reviewed_as_sql(settings: Settings) -> None:
    assert "CREATE TABLE items" in alembic(settings, "upgrade", "head", "--sql").stdout
