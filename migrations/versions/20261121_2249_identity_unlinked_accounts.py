"""identity: unlinked accounts

Revision ID: c11fce36375d
Revises: c41d7a9e0b52
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "c11fce36375d"
down_revision = "c41d7a9e0b52"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity_unlinked_account",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=80), nullable=False),
        sa.Column("provider_user_id", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("identity_unlinked_account_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "provider", "provider_user_id", name=op.f("identity_unlinked_account_pkey")),
    )


def downgrade() -> None:
    op.drop_table("identity_unlinked_account")
