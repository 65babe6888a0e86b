"""identity: refused attempts are found by whom they named

Revision ID: 7e0b94d1c2a8
Revises: c11fce36375d
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "7e0b94d1c2a8"
down_revision = "c11fce36375d"
branch_labels = None
depends_on = None

INDEX = "identity_login_attempt_refused_idx"
REFUSED = sa.text("user_id is null")


def upgrade() -> None:
    op.create_index(INDEX, "identity_login_attempt", ["identifier_hash"], unique=False, postgresql_where=REFUSED)


def downgrade() -> None:
    op.drop_index(INDEX, table_name="identity_login_attempt", postgresql_where=REFUSED)
