"""Fails with an SQL error after a change of the schema."""

import sqlalchemy as sa
from alembic import op

revision = "0003_bad"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("items", sa.Column("weight", sa.Integer, nullable=True))
    op.execute("SELECT 1 / 0")


def downgrade() -> None:
    op.drop_column("items", "weight")
