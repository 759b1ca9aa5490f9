"""Items in PostgreSQL; each function is one statement, and so one transaction without BEGIN and COMMIT around it."""

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.items.models import ItemRow
from app.items.schemas import Item, NewItem


class ItemRepository:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    def _session(self) -> AsyncSession:
        return AsyncSession(self._engine, expire_on_commit=False)

    async def add(self, new: NewItem) -> Item:
        statement = insert(ItemRow).values(name=new.name, reference=new.reference).returning(ItemRow)
        async with self._engine.connect() as connection:
            return Item.model_validate((await connection.execute(statement)).one())

    async def get(self, item_id: int) -> Item | None:
        async with self._session() as session:
            row = await session.get(ItemRow, item_id)
        return None if row is None else Item.model_validate(row)

    async def list_after(self, item_id: int, limit: int) -> list[Item]:
        """At most `limit` items with ids over `item_id`, in the order of ids."""
        query = select(ItemRow).where(ItemRow.id > item_id).order_by(ItemRow.id).limit(limit)
        async with self._session() as session:
            return [Item.model_validate(row) for row in await session.scalars(query)]

    async def find(self, reference: str) -> Item | None:
        """The first item with this reference."""
        query = select(ItemRow).where(ItemRow.reference == reference).order_by(ItemRow.id).limit(1)
        async with self._session() as session:
            row = await session.scalar(query)
        return None if row is None else Item.model_validate(row)
