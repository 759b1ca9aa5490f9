"""Add a size to items."""

import sqlalchemy as sa
from alembic import op

revision = "0003_size"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("items", sa.Column("size", sa.Integer, nullable=True))


def downgrade() -> None:
    op.drop_column("items", "size")
