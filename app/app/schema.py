"""Whether the database's schema revision suits this image."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

ALEMBIC_INI = Path(__file__).parent.parent / "alembic.ini"


@dataclass(frozen=True, slots=True)
class Revisions:
    """The revisions that this image's migrations know; `heads` are the newest of each branch."""

    heads: frozenset[str]
    known: frozenset[str]

    def problem(self, current: Collection[str]) -> str | None:
        """Why the database's `current` revisions do not suit this image, or None when they do.

        A revision that the image does not know is a later one: an older release beside an expanded schema.
        """
        if not current:
            return "the database has no revision: run `alembic upgrade head`"
        if not set(current) <= self.known or set(current) == self.heads:
            return None
        return "the database is behind this image: run `alembic upgrade head`"


def load_revisions(ini: Path = ALEMBIC_INI) -> Revisions:
    """Read the migrations that belong to this image."""
    script = ScriptDirectory.from_config(Config(ini))
    return Revisions(
        heads=frozenset(script.get_heads()),
        known=frozenset(revision.revision for revision in script.walk_revisions()),
    )


async def current_revisions(engine: AsyncEngine) -> list[str]:
    """The revisions recorded in the database; empty before the first migration."""
    async with engine.connect() as connection:
        if await connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
            return []
        rows = await connection.scalars(text("SELECT version_num FROM alembic_version ORDER BY 1"))
        return list(rows)
