"""Add a color to items, and an index on it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("items", sa.Column("color", sa.String(50), nullable=True))
    op.create_index("ix_items_color", "items", ["color"])


def downgrade() -> None:
    op.drop_index("ix_items_color", "items")
    op.drop_column("items", "color")
