"""chat: whole

Revision ID: bceb93684977
Revises: e3683aca548e
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "bceb93684977"
down_revision = "e3683aca548e"
branch_labels = None
depends_on = None

CHECKS = (
    ("chat_conversation", "chat_conversation_slow_mode_check", "slow_mode_s between 0 and 86400"),
    ("chat_conversation", "chat_conversation_posting_check", "posting in ('everybody', 'admins')"),
    ("chat_participant", "chat_participant_notifications_check", "notifications in ('all', 'mentions', 'none')"),
    ("chat_participant", "chat_participant_markers_check", "last_delivered_seq >= last_read_seq"),
    ("chat_message", "chat_message_tombstone_check", "deleted_at is null or content = ''"),
    ("chat_message", "chat_message_system_stays_check", "type = 'text' or deleted_at is null"),
)

# A text as searches compare it: lower case; without accents (U+0300 on), Hebrew points, Arabic and Persian vowel signs, hamzas and
# lengthening strokes, joiners and soft hyphens; full and half width, ligatures and the Arabic and Persian spellings of one letter made
# equal. Only functions that every server has are used, so that no extension is needed. A text of ASCII only takes the short way.
FOLD = r"""
create function chat_fold(content text) returns text immutable strict parallel safe language sql as $$
  select translate(case when octet_length(content) = char_length(content) then lower(content) else
    replace(replace(replace(
      translate(
        normalize(regexp_replace(normalize(lower(content), NFKD),
          '[\u00AD\u0300-\u036F\u0591-\u05BD\u05BF-\u05C7\u0640\u064B-\u065F\u0670\u06D6-\u06ED\u200B-\u200F\u2060\uFEFF]', '', 'g'), NFC),
        U&'\00F8\0142\0111\0127\0131\03C2\064A\0649\0643\0629', U&'oldhi\03C3\06CC\06CC\06A9\0647'
      ), U&'\00DF', 'ss'), U&'\00E6', 'ae'), U&'\0153', 'oe')
  end, E'\n\r\t', '   ')
$$
"""

# Every two neighbouring characters: cut into pairs from the first and from the second. It is quicker than a query that takes each
# substring, and may give a single last character and pairs more than once; an index does not mind either.
# The cost, which is near the truth, keeps the planner from ever making them for every row.
BIGRAMS = r"""
create function chat_bigrams(content text) returns text[] immutable strict parallel safe cost 1000 language sql as $$
  select string_to_array(
    regexp_replace(content, '(..)', E'\\1\n', 'g') || E'\n' || regexp_replace(substr(content, 2), '(..)', E'\\1\n', 'g'), E'\n'
  )
$$
"""


def upgrade() -> None:
    op.create_table(
        "chat_block",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("blocked_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("user_id <> blocked_id", name=op.f("chat_block_other_check")),
        sa.ForeignKeyConstraint(
            ["blocked_id"], ["identity_user.id"], name=op.f("chat_block_blocked_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("chat_block_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "blocked_id", name=op.f("chat_block_pkey")),
    )
    op.create_index(op.f("chat_block_blocked_id_idx"), "chat_block", ["blocked_id"], unique=False)
    op.create_table(
        "chat_draft",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["chat_conversation.id"],
            name=op.f("chat_draft_conversation_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("chat_draft_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "conversation_id", name=op.f("chat_draft_pkey")),
    )
    op.create_index(op.f("chat_draft_conversation_id_idx"), "chat_draft", ["conversation_id"], unique=False)
    op.create_table(
        "chat_invite_link",
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("max_uses", sa.Integer(), nullable=True),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.CheckConstraint("role in ('admin', 'member')", name=op.f("chat_invite_link_role_check")),
        sa.CheckConstraint(
            "uses >= 0 and (max_uses is null or uses <= max_uses)", name=op.f("chat_invite_link_uses_check")
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["chat_conversation.id"],
            name=op.f("chat_invite_link_conversation_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["identity_user.id"], name=op.f("chat_invite_link_created_by_fkey"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("chat_invite_link_pkey")),
    )
    op.create_index(op.f("chat_invite_link_conversation_id_idx"), "chat_invite_link", ["conversation_id"], unique=False)
    op.create_index(op.f("chat_invite_link_created_by_idx"), "chat_invite_link", ["created_by"], unique=False)
    op.create_table(
        "chat_pending_invite",
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["chat_conversation.id"],
            name=op.f("chat_pending_invite_conversation_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["invited_by"], ["identity_user.id"], name=op.f("chat_pending_invite_invited_by_fkey"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("chat_pending_invite_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("conversation_id", "user_id", name=op.f("chat_pending_invite_pkey")),
    )
    op.create_index(op.f("chat_pending_invite_invited_by_idx"), "chat_pending_invite", ["invited_by"], unique=False)
    op.create_index(op.f("chat_pending_invite_user_id_idx"), "chat_pending_invite", ["user_id"], unique=False)
    op.create_table(
        "chat_scheduled_message",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("send_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "sent",
                "failed",
                "cancelled",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=17,
            ),
            nullable=False,
        ),
        sa.Column("problem", sa.String(length=60), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.CheckConstraint(
            "char_length(content) between 1 and 10000", name=op.f("chat_scheduled_message_content_check")
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["chat_conversation.id"],
            name=op.f("chat_scheduled_message_conversation_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("chat_scheduled_message_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("chat_scheduled_message_pkey")),
    )
    op.create_index(
        op.f("chat_scheduled_message_conversation_id_idx"), "chat_scheduled_message", ["conversation_id"], unique=False
    )
    op.create_index(op.f("chat_scheduled_message_user_id_idx"), "chat_scheduled_message", ["user_id"], unique=False)
    op.create_index(
        "chat_scheduled_message_user_idx",
        "chat_scheduled_message",
        ["user_id", "send_at"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "chat_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind in ('message.updated', 'message.deleted', 'reaction.changed', 'pin.changed')",
            name=op.f("chat_change_kind_check"),
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["chat_conversation.id"],
            name=op.f("chat_change_conversation_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["chat_message.id"], name=op.f("chat_change_message_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("chat_change_pkey")),
        sa.UniqueConstraint("conversation_id", "seq", name=op.f("chat_change_conversation_id_seq_key")),
    )
    op.create_index(op.f("chat_change_message_id_idx"), "chat_change", ["message_id"], unique=False)
    op.create_table(
        "chat_message_edit",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["chat_message.id"], name=op.f("chat_message_edit_message_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", "number", name=op.f("chat_message_edit_pkey")),
    )
    op.create_table(
        "chat_message_reaction",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("emoji", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["chat_message.id"], name=op.f("chat_message_reaction_message_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("chat_message_reaction_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", "user_id", "emoji", name=op.f("chat_message_reaction_pkey")),
    )
    op.create_index(op.f("chat_message_reaction_user_id_idx"), "chat_message_reaction", ["user_id"], unique=False)
    op.create_table(
        "chat_pin",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["chat_conversation.id"],
            name=op.f("chat_pin_conversation_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["chat_message.id"], name=op.f("chat_pin_message_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("chat_pin_user_id_fkey"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("chat_pin_pkey")),
    )
    op.create_index("chat_pin_conversation_idx", "chat_pin", ["conversation_id", "created_at"], unique=False)
    op.create_index(op.f("chat_pin_user_id_idx"), "chat_pin", ["user_id"], unique=False)
    op.create_table(
        "chat_report",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reporter_id", sa.Uuid(), nullable=True),
        sa.Column("reported_id", sa.Uuid(), nullable=True),
        sa.Column("conversation_id", sa.Uuid(), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column(
            "state",
            sa.Enum("open", "resolved", name="state", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column("resolved_by", sa.Uuid(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("action", sa.String(length=40), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.CheckConstraint("(state = 'resolved') = (resolved_at is not null)", name=op.f("chat_report_resolved_check")),
        sa.CheckConstraint(
            "num_nonnulls(message_id, reported_id) >= 1 or state = 'resolved'", name=op.f("chat_report_subject_check")
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["chat_conversation.id"],
            name=op.f("chat_report_conversation_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["chat_message.id"], name=op.f("chat_report_message_id_fkey"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["reported_id"], ["identity_user.id"], name=op.f("chat_report_reported_id_fkey"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["reporter_id"], ["identity_user.id"], name=op.f("chat_report_reporter_id_fkey"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["resolved_by"], ["identity_user.id"], name=op.f("chat_report_resolved_by_fkey"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("chat_report_pkey")),
    )
    op.create_index(op.f("chat_report_conversation_id_idx"), "chat_report", ["conversation_id"], unique=False)
    op.create_index(op.f("chat_report_message_id_idx"), "chat_report", ["message_id"], unique=False)
    op.create_index(
        "chat_report_once_key",
        "chat_report",
        ["reporter_id", "message_id"],
        unique=True,
        postgresql_where=sa.text("state = 'open' and message_id is not null"),
    )
    op.create_index(
        "chat_report_person_once_key",
        "chat_report",
        ["reporter_id", "reported_id"],
        unique=True,
        postgresql_where=sa.text("state = 'open' and conversation_id is null"),
    )
    op.create_index(
        "chat_report_open_idx", "chat_report", ["id"], unique=False, postgresql_where=sa.text("state = 'open'")
    )
    op.create_index(op.f("chat_report_reported_id_idx"), "chat_report", ["reported_id"], unique=False)
    op.create_index(op.f("chat_report_reporter_id_idx"), "chat_report", ["reporter_id"], unique=False)
    op.create_index(op.f("chat_report_resolved_by_idx"), "chat_report", ["resolved_by"], unique=False)
    op.create_table(
        "chat_saved_message",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["chat_message.id"], name=op.f("chat_saved_message_message_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("chat_saved_message_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "message_id", name=op.f("chat_saved_message_pkey")),
    )
    op.create_index(op.f("chat_saved_message_message_id_idx"), "chat_saved_message", ["message_id"], unique=False)
    op.create_index("chat_saved_message_user_idx", "chat_saved_message", ["user_id", "created_at"], unique=False)
    op.add_column("chat_conversation", sa.Column("slow_mode_s", sa.Integer(), server_default="0", nullable=False))
    op.add_column("chat_conversation", sa.Column("posting", sa.Text(), server_default="everybody", nullable=False))
    op.add_column(
        "chat_message", sa.Column("attachments", postgresql.ARRAY(sa.Uuid()), server_default="{}", nullable=False)
    )
    op.add_column(
        "chat_message",
        sa.Column("reactions", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
    )
    op.add_column("chat_message", sa.Column("pinned", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("chat_message", sa.Column("edit_count", sa.Integer(), server_default="0", nullable=False))
    op.add_column("chat_message", sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("chat_message", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "chat_participant", sa.Column("last_delivered_seq", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.execute("update chat_participant set last_delivered_seq = last_read_seq")
    op.add_column("chat_participant", sa.Column("muted_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("chat_participant", sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("chat_participant", sa.Column("last_sent_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("chat_participant", sa.Column("notifications", sa.Text(), server_default="all", nullable=False))
    op.execute(FOLD)
    op.execute(BIGRAMS)
    op.add_column(
        "chat_message",
        sa.Column(
            "search",
            sa.Text(),
            sa.Computed("CASE WHEN type = 'text'::text THEN chat_fold(content) ELSE NULL::text END", persisted=True),
            nullable=True,
        ),
    )
    op.create_index(
        "chat_message_search_idx",
        "chat_message",
        [sa.literal_column("chat_bigrams(search)")],
        unique=False,
        postgresql_using="gin",
    )
    op.drop_index("chat_message_parent_id_idx", table_name="chat_message")
    op.create_index(
        "chat_message_thread_idx",
        "chat_message",
        ["parent_id", "seq"],
        unique=False,
        postgresql_where=sa.text("parent_id is not null"),
    )
    for table, name, condition in CHECKS:
        op.create_check_constraint(op.f(name), table, condition)
    op.execute(
        "insert into identity_role_permission (role_id, permission)"
        " select id, permission from identity_role, (values ('reports.read'), ('reports.resolve')) as new(permission)"
        " where is_builtin and name in ('admin', 'manager', 'support')"
    )
    op.drop_constraint(op.f("chat_message_content_check"), "chat_message", type_="check")
    op.create_check_constraint(
        op.f("chat_message_content_check"),
        "chat_message",
        "type = 'system' or deleted_at is not null or char_length(content) between 1 and 10000",
    )


def downgrade() -> None:
    op.execute("delete from identity_role_permission where permission in ('reports.read', 'reports.resolve')")
    op.execute("delete from chat_message where deleted_at is not null")
    op.drop_constraint(op.f("chat_message_content_check"), "chat_message", type_="check")
    op.create_check_constraint(
        op.f("chat_message_content_check"),
        "chat_message",
        "type = 'system' or char_length(content) between 1 and 10000",
    )
    for table, name, _ in CHECKS:
        op.drop_constraint(op.f(name), table, type_="check")
    op.drop_index("chat_message_search_idx", table_name="chat_message", postgresql_using="gin")
    op.drop_column("chat_message", "search")
    op.execute("drop function chat_bigrams(text)")
    op.execute("drop function chat_fold(text)")
    op.drop_index("chat_message_thread_idx", table_name="chat_message")
    op.create_index(
        "chat_message_parent_id_idx",
        "chat_message",
        ["parent_id"],
        unique=False,
        postgresql_where=sa.text("parent_id is not null"),
    )
    op.drop_column("chat_participant", "notifications")
    op.drop_column("chat_participant", "last_sent_at")
    op.drop_column("chat_participant", "archived_at")
    op.drop_column("chat_participant", "muted_until")
    op.drop_column("chat_participant", "last_delivered_seq")
    op.drop_column("chat_message", "deleted_at")
    op.drop_column("chat_message", "edited_at")
    op.drop_column("chat_message", "edit_count")
    op.drop_column("chat_message", "pinned")
    op.drop_column("chat_message", "reactions")
    op.drop_column("chat_message", "attachments")
    op.drop_column("chat_conversation", "posting")
    op.drop_column("chat_conversation", "slow_mode_s")
    op.drop_index("chat_saved_message_user_idx", table_name="chat_saved_message")
    op.drop_index(op.f("chat_saved_message_message_id_idx"), table_name="chat_saved_message")
    op.drop_table("chat_saved_message")
    op.drop_index(op.f("chat_report_resolved_by_idx"), table_name="chat_report")
    op.drop_index(op.f("chat_report_reporter_id_idx"), table_name="chat_report")
    op.drop_index(op.f("chat_report_reported_id_idx"), table_name="chat_report")
    op.drop_index("chat_report_open_idx", table_name="chat_report", postgresql_where=sa.text("state = 'open'"))
    op.drop_index(
        "chat_report_once_key",
        table_name="chat_report",
        postgresql_where=sa.text("state = 'open' and message_id is not null"),
    )
    op.drop_index(
        "chat_report_person_once_key",
        table_name="chat_report",
        postgresql_where=sa.text("state = 'open' and conversation_id is null"),
    )
    op.drop_index(op.f("chat_report_message_id_idx"), table_name="chat_report")
    op.drop_index(op.f("chat_report_conversation_id_idx"), table_name="chat_report")
    op.drop_table("chat_report")
    op.drop_index(op.f("chat_pin_user_id_idx"), table_name="chat_pin")
    op.drop_index("chat_pin_conversation_idx", table_name="chat_pin")
    op.drop_table("chat_pin")
    op.drop_index(op.f("chat_message_reaction_user_id_idx"), table_name="chat_message_reaction")
    op.drop_table("chat_message_reaction")
    op.drop_table("chat_message_edit")
    op.drop_index(op.f("chat_change_message_id_idx"), table_name="chat_change")
    op.drop_table("chat_change")
    op.drop_index(
        "chat_scheduled_message_user_idx",
        table_name="chat_scheduled_message",
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.drop_index(op.f("chat_scheduled_message_user_id_idx"), table_name="chat_scheduled_message")
    op.drop_index(op.f("chat_scheduled_message_conversation_id_idx"), table_name="chat_scheduled_message")
    op.drop_table("chat_scheduled_message")
    op.drop_index(op.f("chat_pending_invite_user_id_idx"), table_name="chat_pending_invite")
    op.drop_index(op.f("chat_pending_invite_invited_by_idx"), table_name="chat_pending_invite")
    op.drop_table("chat_pending_invite")
    op.drop_index(op.f("chat_invite_link_created_by_idx"), table_name="chat_invite_link")
    op.drop_index(op.f("chat_invite_link_conversation_id_idx"), table_name="chat_invite_link")
    op.drop_table("chat_invite_link")
    op.drop_index(op.f("chat_draft_conversation_id_idx"), table_name="chat_draft")
    op.drop_table("chat_draft")
    op.drop_index(op.f("chat_block_blocked_id_idx"), table_name="chat_block")
    op.drop_table("chat_block")
