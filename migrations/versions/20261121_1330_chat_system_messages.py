"""chat: system messages

Revision ID: c41d7a9e0b52
Revises: bceb93684977
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "c41d7a9e0b52"
down_revision = "bceb93684977"
branch_labels = None
depends_on = None

INDEX = "chat_message_system_idx"
OF_THE_SYSTEM = sa.text("type = 'system'")


def upgrade() -> None:
    op.create_index(INDEX, "chat_message", ["conversation_id", "seq"], unique=False, postgresql_where=OF_THE_SYSTEM)


def downgrade() -> None:
    op.drop_index(INDEX, table_name="chat_message", postgresql_where=OF_THE_SYSTEM)
