"""Add a note to items; nullable, so that the release before can go on inserting."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("items", sa.Column("note", sa.String(500), nullable=True))


def downgrade() -> None:
    op.drop_column("items", "note")
