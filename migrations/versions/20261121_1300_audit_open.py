"""audit: open

Revision ID: 8d2b6c417a95
Revises: 4f273c2bc1b5
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "8d2b6c417a95"
down_revision = "4f273c2bc1b5"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject_type", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("api_key_id", sa.Uuid(), nullable=True),
        sa.Column("impersonator_id", sa.Uuid(), nullable=True),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("ip", sa.String(length=45), nullable=True),
        sa.Column("user_agent", sa.String(length=500), nullable=True),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("personal_digest", sa.LargeBinary(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("hash", sa.LargeBinary(), nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=True),
        sa.Column("key_id", sa.String(length=16), nullable=True),
        sa.CheckConstraint(
            "num_nulls(position, personal_digest, digest, hash, mac, key_id) in (0, 6)",
            name=op.f("audit_entry_seal_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_entry_pkey")),
        sa.UniqueConstraint("position", name=op.f("audit_entry_position_key")),
    )
    op.create_index("audit_entry_at_idx", "audit_entry", ["at", "id"])
    op.create_index("audit_entry_actor_idx", "audit_entry", ["actor_id", "at", "id"])
    op.create_index("audit_entry_user_idx", "audit_entry", ["user_id", "at", "id"])
    op.create_index("audit_entry_subject_idx", "audit_entry", ["subject_type", "subject_id", "at", "id"])
    op.create_index("audit_entry_action_idx", "audit_entry", ["action", "at", "id"])
    op.create_index(op.f("audit_entry_impersonator_id_idx"), "audit_entry", ["impersonator_id"])
    op.create_index("audit_entry_unsealed_idx", "audit_entry", ["id"], postgresql_where=sa.text("position is null"))
    # Sealing fills the seal, erasure empties the personal half, each once; nothing else is changed, nothing goes.
    op.execute(
        """create function audit_entry_guard() returns trigger language plpgsql as $$
        declare
            seal constant text[] := array['position', 'personal_digest', 'digest', 'hash', 'mac', 'key_id'];
            personal constant text[] := array['ip', 'user_agent', 'before', 'after', 'salt'];
        begin
            if tg_op = 'UPDATE' then
                if old.position is null and new.position is not null
                    and to_jsonb(old) - seal = to_jsonb(new) - seal then
                    return new;
                end if;
                if old.salt is not null
                    and num_nonnulls(new.ip, new.user_agent, new.before, new.after, new.salt) = 0
                    and to_jsonb(old) - personal = to_jsonb(new) - personal then
                    return new;
                end if;
            end if;
            raise exception 'audit_entry only grows: % is refused', tg_op using errcode = 'restrict_violation';
        end $$"""
    )
    op.execute(
        "create trigger audit_entry_kept before update on audit_entry for each row execute function audit_entry_guard()"
    )
    op.execute(
        "create trigger audit_entry_undeleted before delete on audit_entry for each row execute function audit_entry_guard()"
    )
    op.execute(
        "create trigger audit_entry_untruncated before truncate on audit_entry for each statement execute function audit_entry_guard()"
    )


def downgrade() -> None:
    op.drop_table("audit_entry")
    op.execute("drop function audit_entry_guard")
