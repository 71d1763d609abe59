"""Names of views of any length: PostgreSQL refused pictures whose view has a longer name than 20 letters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("pictures") as pictures:
        pictures.alter_column("view", existing_type=sa.String(20), type_=sa.Text(), existing_nullable=False)


def downgrade() -> None:
    """Nothing to take back: the version before reads and writes the wider column as well."""
