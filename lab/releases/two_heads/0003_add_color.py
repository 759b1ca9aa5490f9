"""Add a color to items."""

import sqlalchemy as sa
from alembic import op

revision = "0003_color"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("items", sa.Column("color", sa.String(50), nullable=True))


def downgrade() -> None:
    op.drop_column("items", "color")
