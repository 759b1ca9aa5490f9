"""Runs migrations in one transaction, over the same driver as the service."""

import asyncio
from logging.config import fileConfig

from alembic import context
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine

from app.database import connect_args, database_url
from app.items.models import Base
from app.settings import Settings, settings_or_exit

if context.config.config_file_name:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()


async def migrate_database(settings: Settings) -> None:
    # How long it may wait for a lock is said by the role that it logs in as.
    arguments = connect_args(settings, "migration")
    engine = create_async_engine(database_url(settings), poolclass=pool.NullPool, connect_args=arguments)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)


def print_sql() -> None:
    """`alembic upgrade head --sql`: for review, without a database."""
    context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    print_sql()
else:
    asyncio.run(migrate_database(settings_or_exit()))
