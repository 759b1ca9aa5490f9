"""Items in PostgreSQL; each function is one transaction."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.items.models import ItemRow
from app.items.schemas import Item, NewItem


class ItemRepository:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def _session(self) -> AsyncSession:
        return AsyncSession(self._engine, expire_on_commit=False)

    async def add(self, new: NewItem) -> Item:
        row = ItemRow(name=new.name, reference=new.reference)
        async with self._session() as session, session.begin():
            session.add(row)
        return Item.model_validate(row)

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
