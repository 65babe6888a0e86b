"""identity: what an account was before its ban

Revision ID: 150124f18857
Revises: 7e0b94d1c2a8
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "150124f18857"
down_revision = "7e0b94d1c2a8"
branch_labels = None
depends_on = None

STATUSES = ("pending", "waitlisted", "active", "deactivated", "banned")


def upgrade() -> None:
    status = sa.Enum(*STATUSES, name="userstatus", native_enum=False, length=19)
    op.add_column("identity_user", sa.Column("banned_from", status, nullable=True))


def downgrade() -> None:
    op.drop_column("identity_user", "banned_from")
