"""What clients send and get, and what Redis holds: JSON of the same shape."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

# PostgreSQL's text cannot hold NUL, and no control character belongs in a name.
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
MAX_ID = 2**63 - 1

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_PRINTABLE)]
Reference = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=_PRINTABLE)]


class NewItem(BaseModel):
    name: Name
    reference: Reference


class Item(BaseModel):
    """Unknown fields are ignored: another release, with other columns, shares the cache and the channel."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    reference: str
    created_at: datetime


class ItemList(BaseModel):
    items: list[Item]
