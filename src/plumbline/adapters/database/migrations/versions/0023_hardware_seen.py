"""Whether a step saw metal, as a column: asked of every exam of a patient, it had to be picked out of long results."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_STEPS = sa.table(
    "steps",
    sa.column("name", sa.String()),
    sa.column("state", sa.String()),
    sa.column("result", _DOCUMENT),
    sa.column("hardware_seen", sa.Boolean()),
)


def upgrade() -> None:
    """Apply, and take the answers of the steps that are done out of their results."""
    op.add_column("steps", sa.Column("hardware_seen", sa.Boolean(), nullable=True))
    looked = _STEPS.c.name.in_(("recognise", "compare")) & _STEPS.c.state.in_(("done", "ended"))
    seen = _STEPS.c.result["hardware_seen"].as_boolean()
    op.execute(sa.update(_STEPS).where(looked).values(hardware_seen=seen))


def downgrade() -> None:
    """Drop the column: the results say the same."""
    op.drop_column("steps", "hardware_seen")
