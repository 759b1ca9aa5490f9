"""Give each item a color."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE items SET color = 'white' WHERE color IS NULL")


def downgrade() -> None:
    """Nothing to undo: before, a color could be white as well."""
