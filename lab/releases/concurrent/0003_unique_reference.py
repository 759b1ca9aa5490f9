"""Let no reference be there twice."""

from alembic import op

revision = "0003_unique"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index("ux_items_reference", "items", ["reference"], unique=True, postgresql_concurrently=True)


def downgrade() -> None:
    op.drop_index("ux_items_reference", "items")
