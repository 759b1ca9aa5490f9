"""Never ends: stands for a lock that is not given back."""

import sqlalchemy as sa
from alembic import op

revision = "0003_hanging"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("items", sa.Column("weight", sa.Integer, nullable=True))
    op.execute("SELECT pg_sleep(86400)")


def downgrade() -> None:
    op.drop_column("items", "weight")
