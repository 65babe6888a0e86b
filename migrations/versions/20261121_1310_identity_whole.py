"""identity: whole

Revision ID: e3683aca548e
Revises: 8d2b6c417a95
"""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "e3683aca548e"
down_revision = "8d2b6c417a95"
branch_labels = None
depends_on = None

# What comes with Plaza: the name, what it is for, and which of the permissions declared so far it holds.
ROLES = (
    ("superuser", "May do everything, also what later versions bring", ()),
    (
        "admin",
        "Runs the place: every permission",
        (
            "audit.read",
            "conversations.read",
            "deliveries.read",
            "jobs.read",
            "jobs.retry",
            "roles.manage",
            "roles.read",
            "users.ban",
            "users.deactivate",
            "users.impersonate",
            "users.read",
            "users.roles",
            "users.sessions",
        ),
    ),
    (
        "manager",
        "Answers for people and their accounts",
        (
            "conversations.read",
            "deliveries.read",
            "jobs.read",
            "jobs.retry",
            "roles.read",
            "users.ban",
            "users.deactivate",
            "users.impersonate",
            "users.read",
            "users.sessions",
        ),
    ),
    ("staff", "Looks things up", ("users.read",)),
    (
        "support",
        "Helps people with their accounts",
        ("conversations.read", "deliveries.read", "jobs.read", "users.ban", "users.read", "users.sessions"),
    ),
    ("vendor", "Sells", ()),
    ("customer", "Buys", ()),
)

PURPOSES = (
    "'email_verification', 'password_reset', 'magic_link', 'email_change', 'phone_verification', 'phone_login'"
)


def upgrade() -> None:
    op.create_table(
        "identity_role",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("description", sa.String(length=200), nullable=False),
        sa.Column("is_builtin", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.CheckConstraint("name ~ '^[a-z][a-z0-9_-]{1,39}$'", name=op.f("identity_role_name_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("identity_role_pkey")),
        sa.UniqueConstraint("name", name=op.f("identity_role_name_key")),
    )
    op.create_table(
        "identity_erasure",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("erase_texts", sa.Boolean(), nullable=False),
        sa.Column("sealed_contacts", sa.Text(), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("identity_erasure_pkey")),
        sa.UniqueConstraint("user_id", name=op.f("identity_erasure_user_id_key")),
    )
    op.create_table(
        "identity_erasure_step",
        sa.Column("erasure_id", sa.Uuid(), nullable=False),
        sa.Column("context", sa.String(length=40), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["erasure_id"],
            ["identity_erasure.id"],
            name=op.f("identity_erasure_step_erasure_id_fkey"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("erasure_id", "context", name=op.f("identity_erasure_step_pkey")),
    )
    op.create_table(
        "identity_export",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "queued",
                "running",
                "done",
                "failed",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=15,
            ),
            nullable=False,
        ),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("identity_export_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("identity_export_pkey")),
    )
    op.create_index(op.f("identity_export_ended_at_idx"), "identity_export", ["ended_at"], unique=False)
    op.create_index("identity_export_user_idx", "identity_export", ["user_id", "id"], unique=False)
    op.create_index(
        "identity_export_open_key",
        "identity_export",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("status in ('queued', 'running')"),
    )
    op.add_column("notifications_delivery", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f("notifications_delivery_recipient_idx"), "notifications_delivery", ["recipient"])
    op.create_table(
        "identity_address",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(length=50), nullable=False),
        sa.Column("recipient", sa.String(length=100), nullable=False),
        sa.Column("company", sa.String(length=100), nullable=False),
        sa.Column("line1", sa.String(length=200), nullable=False),
        sa.Column("line2", sa.String(length=200), nullable=False),
        sa.Column("city", sa.String(length=100), nullable=False),
        sa.Column("region", sa.String(length=100), nullable=False),
        sa.Column("postal_code", sa.String(length=20), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("phone", sa.String(length=16), nullable=True),
        sa.Column("is_default_billing", sa.Boolean(), nullable=False),
        sa.Column("is_default_shipping", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.CheckConstraint("country ~ '^[A-Z]{2}$'", name=op.f("identity_address_country_check")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("identity_address_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("identity_address_pkey")),
    )
    op.create_index(
        "identity_address_billing_key",
        "identity_address",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("is_default_billing"),
    )
    op.create_index(
        "identity_address_shipping_key",
        "identity_address",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("is_default_shipping"),
    )
    op.create_index("identity_address_user_idx", "identity_address", ["user_id", "id"], unique=False)
    op.create_table(
        "identity_api_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("identity_api_key_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("identity_api_key_pkey")),
        sa.UniqueConstraint("prefix", name=op.f("identity_api_key_prefix_key")),
    )
    op.create_index(
        "identity_api_key_revoked_idx",
        "identity_api_key",
        ["revoked_at"],
        unique=False,
        postgresql_where=sa.text("revoked_at is not null"),
    )
    op.create_index(op.f("identity_api_key_user_id_idx"), "identity_api_key", ["user_id"], unique=False)
    op.create_table(
        "identity_device_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("device_name", sa.String(length=100), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("identity_device_key_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("identity_device_key_pkey")),
        sa.UniqueConstraint("public_key", name=op.f("identity_device_key_public_key_key")),
    )
    op.create_index(op.f("identity_device_key_user_id_idx"), "identity_device_key", ["user_id"], unique=False)
    op.create_table(
        "identity_linked_account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=80), nullable=False),
        sa.Column("provider_user_id", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("identity_linked_account_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("identity_linked_account_pkey")),
        sa.UniqueConstraint(
            "provider", "provider_user_id", name=op.f("identity_linked_account_provider_provider_user_id_key")
        ),
    )
    op.create_index(op.f("identity_linked_account_user_id_idx"), "identity_linked_account", ["user_id"], unique=False)
    op.create_table(
        "identity_login_attempt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("identifier_hash", sa.LargeBinary(), nullable=False),
        sa.Column("method", sa.String(length=20), nullable=False),
        sa.Column("outcome", sa.String(length=40), nullable=False),
        sa.Column("ip", sa.String(length=45), nullable=False),
        sa.Column("user_agent", sa.String(length=500), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("identity_login_attempt_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("identity_login_attempt_pkey")),
    )
    op.create_index("identity_login_attempt_at_idx", "identity_login_attempt", ["at"], unique=False)
    op.create_index("identity_login_attempt_user_idx", "identity_login_attempt", ["user_id", "at"], unique=False)
    op.create_table(
        "identity_mfa_challenge",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("methods", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("replaces", sa.Uuid(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("ip", sa.String(length=45), nullable=False),
        sa.Column("user_agent", sa.String(length=500), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("identity_mfa_challenge_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("identity_mfa_challenge_pkey")),
        sa.UniqueConstraint("hash", name=op.f("identity_mfa_challenge_hash_key")),
    )
    op.create_index("identity_mfa_challenge_expires_idx", "identity_mfa_challenge", ["expires_at"], unique=False)
    op.create_index(op.f("identity_mfa_challenge_user_id_idx"), "identity_mfa_challenge", ["user_id"], unique=False)
    op.create_table(
        "identity_outside_session",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("identity_outside_session_pkey")),
        sa.UniqueConstraint("session_id", name=op.f("identity_outside_session_session_id_key")),
    )
    op.create_index("identity_outside_session_created_idx", "identity_outside_session", ["created_at"], unique=False)
    op.create_table(
        "identity_passkey",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("transports", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("aaguid", sa.Uuid(), nullable=False),
        sa.Column("backup_eligible", sa.Boolean(), nullable=False),
        sa.Column("backed_up", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("identity_passkey_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("identity_passkey_pkey")),
        sa.UniqueConstraint("credential_id", name=op.f("identity_passkey_credential_id_key")),
    )
    op.create_index(op.f("identity_passkey_user_id_idx"), "identity_passkey", ["user_id"], unique=False)
    op.create_table(
        "identity_recovery_code",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("identity_recovery_code_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("identity_recovery_code_pkey")),
        sa.UniqueConstraint("hash", name=op.f("identity_recovery_code_hash_key")),
    )
    op.create_index(op.f("identity_recovery_code_user_id_idx"), "identity_recovery_code", ["user_id"], unique=False)
    op.create_table(
        "identity_role_permission",
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.Column("permission", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["role_id"], ["identity_role.id"], name=op.f("identity_role_permission_role_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("role_id", "permission", name=op.f("identity_role_permission_pkey")),
    )
    _insert_roles()
    op.create_table(
        "identity_totp_device",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_step", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("identity_totp_device_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("identity_totp_device_pkey")),
    )
    op.create_index(
        "identity_totp_device_confirmed_key",
        "identity_totp_device",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("confirmed_at is not null"),
    )
    op.create_index(op.f("identity_totp_device_user_id_idx"), "identity_totp_device", ["user_id"], unique=False)
    op.create_table(
        "identity_user_role",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role_id", sa.Uuid(), nullable=False),
        sa.Column("assigned_by", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["assigned_by"], ["identity_user.id"], name=op.f("identity_user_role_assigned_by_fkey"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["role_id"], ["identity_role.id"], name=op.f("identity_user_role_role_id_fkey"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["identity_user.id"], name=op.f("identity_user_role_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "role_id", name=op.f("identity_user_role_pkey")),
    )
    op.create_index("identity_user_role_expires_idx", "identity_user_role", ["expires_at"], unique=False)
    op.create_index(op.f("identity_user_role_role_id_idx"), "identity_user_role", ["role_id"], unique=False)
    op.add_column(
        "identity_session", sa.Column("methods", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False)
    )
    op.add_column("identity_session", sa.Column("impersonator_id", sa.Uuid(), nullable=True))
    op.add_column("identity_session", sa.Column("impersonation_reason", sa.String(length=500), nullable=True))
    op.create_foreign_key(
        op.f("identity_session_impersonator_id_fkey"),
        "identity_session",
        "identity_user",
        ["impersonator_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index(
        "identity_session_impersonator_idx",
        "identity_session",
        ["impersonator_id", "expires_at"],
        unique=False,
        postgresql_where=sa.text("impersonator_id is not null"),
    )
    op.add_column("identity_user", sa.Column("token_version_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("identity_user", sa.Column("email_vouched_by", sa.String(length=80), nullable=True))
    op.add_column("identity_user", sa.Column("waitlisted_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("identity_user", sa.Column("banned_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("identity_user", sa.Column("ban_reason", sa.String(length=500), nullable=True))
    op.create_check_constraint(
        op.f("identity_user_banned_check"),
        "identity_user",
        "status = 'banned' or (banned_until is null and ban_reason is null)",
    )
    op.create_index(
        "identity_user_banned_idx",
        "identity_user",
        ["banned_until"],
        unique=False,
        postgresql_where=sa.text("banned_until is not null"),
    )
    op.add_column("identity_profile", sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("update identity_profile set completed_at = now() where username is not null")
    # The few who have rights so far keep them, now by the roles that give them.
    op.execute(
        "insert into identity_user_role (user_id, role_id, created_at)"
        " select u.id, r.id, now() from identity_user u join identity_role r on r.name = case when u.is_superuser"
        " then 'superuser' else 'staff' end where u.is_staff or u.is_superuser"
    )
    # Staff find people by any part of an address or a name.
    op.execute("create extension if not exists pg_trgm")
    op.create_index(
        "identity_user_email_search_idx",
        "identity_user",
        ["email"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"email": "gin_trgm_ops"},
    )
    op.create_index(
        "identity_profile_search_idx",
        "identity_profile",
        [
            sa.literal_column(
                "lower((((((coalesce(username, '') || ' ') || display_name) || ' ') || first_name) || ' ') || last_name)"
            ).label("searched")
        ],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"searched": "gin_trgm_ops"},
    )
    op.create_index(
        "identity_user_stale_idx",
        "identity_user",
        ["token_version_at"],
        unique=False,
        postgresql_where=sa.text("token_version_at is not null"),
    )
    op.create_index(
        "identity_user_waitlisted_idx",
        "identity_user",
        ["waitlisted_until"],
        unique=False,
        postgresql_where=sa.text("status = 'waitlisted'"),
    )
    op.create_check_constraint(
        op.f("identity_user_waitlisted_check"), "identity_user", "status <> 'waitlisted' or waitlisted_until is not null"
    )
    op.create_check_constraint(
        op.f("identity_session_impersonation_check"),
        "identity_session",
        "(impersonator_id is null) = (impersonation_reason is null)",
    )
    op.drop_constraint(op.f("identity_verification_token_purpose_check"), "identity_verification_token", type_="check")
    op.create_check_constraint(
        op.f("identity_verification_token_purpose_check"),
        "identity_verification_token",
        f"purpose in ({PURPOSES}, 'email_change_undo')",
    )
    op.alter_column("identity_verification_token", "email", new_column_name="address")
    op.add_column("identity_verification_token", sa.Column("challenge", sa.String(length=43), nullable=True))
    op.add_column("identity_verification_token", sa.Column("linked_provider", sa.String(length=80), nullable=True))
    op.add_column("identity_verification_token", sa.Column("linked_subject", sa.String(length=255), nullable=True))
    op.drop_index(op.f("identity_verification_token_email_idx"), table_name="identity_verification_token")
    op.create_index(
        "identity_verification_token_address_idx",
        "identity_verification_token",
        ["address", "purpose", "created_at"],
        unique=False,
    )


def _insert_roles() -> None:
    role = sa.table(
        "identity_role",
        sa.column("id", sa.Uuid),
        sa.column("name", sa.Text),
        sa.column("description", sa.Text),
        sa.column("is_builtin", sa.Boolean),
        sa.column("created_at", sa.DateTime(timezone=True)),
    )
    held = sa.table("identity_role_permission", sa.column("role_id", sa.Uuid), sa.column("permission", sa.Text))
    ids = {name: uuid5(NAMESPACE_URL, f"plaza/role/{name}") for name, _, _ in ROLES}
    op.execute(
        role.insert().values(
            [
                {"id": ids[name], "name": name, "description": text, "is_builtin": True, "created_at": sa.func.now()}
                for name, text, _ in ROLES
            ]
        )
    )
    op.execute(
        held.insert().values(
            [{"role_id": ids[name], "permission": each} for name, _, permissions in ROLES for each in permissions]
        )
    )


def downgrade() -> None:
    op.drop_index(op.f("notifications_delivery_recipient_idx"), table_name="notifications_delivery")
    op.drop_column("notifications_delivery", "expires_at")
    op.drop_table("identity_export")
    op.drop_table("identity_erasure_step")
    op.drop_table("identity_erasure")
    op.execute("delete from identity_verification_token where purpose = 'email_change_undo'")
    op.drop_constraint(op.f("identity_verification_token_purpose_check"), "identity_verification_token", type_="check")
    op.create_check_constraint(
        op.f("identity_verification_token_purpose_check"), "identity_verification_token", f"purpose in ({PURPOSES})"
    )
    op.alter_column("identity_verification_token", "address", new_column_name="email")
    op.drop_constraint(op.f("identity_session_impersonation_check"), "identity_session", type_="check")
    op.drop_constraint(op.f("identity_user_waitlisted_check"), "identity_user", type_="check")
    op.drop_index("identity_verification_token_address_idx", table_name="identity_verification_token")
    op.create_index(
        op.f("identity_verification_token_email_idx"),
        "identity_verification_token",
        ["email", "created_at"],
        unique=False,
    )
    op.drop_column("identity_verification_token", "linked_subject")
    op.drop_column("identity_verification_token", "linked_provider")
    op.drop_column("identity_verification_token", "challenge")
    op.drop_index(
        "identity_user_waitlisted_idx", table_name="identity_user", postgresql_where=sa.text("status = 'waitlisted'")
    )
    op.drop_index(
        "identity_user_stale_idx", table_name="identity_user", postgresql_where=sa.text("token_version_at is not null")
    )
    op.drop_index("identity_profile_search_idx", table_name="identity_profile", postgresql_using="gin")
    op.drop_index("identity_user_email_search_idx", table_name="identity_user", postgresql_using="gin")
    op.drop_column("identity_profile", "completed_at")
    op.drop_index(
        "identity_user_banned_idx", table_name="identity_user", postgresql_where=sa.text("banned_until is not null")
    )
    op.drop_constraint(op.f("identity_user_banned_check"), "identity_user", type_="check")
    op.drop_column("identity_user", "ban_reason")
    op.drop_column("identity_user", "banned_until")
    op.drop_column("identity_user", "waitlisted_until")
    op.drop_column("identity_user", "email_vouched_by")
    op.drop_column("identity_user", "token_version_at")
    op.drop_constraint(op.f("identity_session_impersonator_id_fkey"), "identity_session", type_="foreignkey")
    op.drop_index(
        "identity_session_impersonator_idx",
        table_name="identity_session",
        postgresql_where=sa.text("impersonator_id is not null"),
    )
    op.drop_column("identity_session", "impersonation_reason")
    op.drop_column("identity_session", "impersonator_id")
    op.drop_column("identity_session", "methods")
    op.drop_index(op.f("identity_user_role_role_id_idx"), table_name="identity_user_role")
    op.drop_index("identity_user_role_expires_idx", table_name="identity_user_role")
    op.drop_table("identity_user_role")
    op.drop_index(op.f("identity_totp_device_user_id_idx"), table_name="identity_totp_device")
    op.drop_index(
        "identity_totp_device_confirmed_key",
        table_name="identity_totp_device",
        postgresql_where=sa.text("confirmed_at is not null"),
    )
    op.drop_table("identity_totp_device")
    op.drop_table("identity_role_permission")
    op.drop_index(op.f("identity_recovery_code_user_id_idx"), table_name="identity_recovery_code")
    op.drop_table("identity_recovery_code")
    op.drop_index(op.f("identity_passkey_user_id_idx"), table_name="identity_passkey")
    op.drop_table("identity_passkey")
    op.drop_index(op.f("identity_mfa_challenge_user_id_idx"), table_name="identity_mfa_challenge")
    op.drop_index("identity_mfa_challenge_expires_idx", table_name="identity_mfa_challenge")
    op.drop_table("identity_mfa_challenge")
    op.drop_index("identity_outside_session_created_idx", table_name="identity_outside_session")
    op.drop_table("identity_outside_session")
    op.drop_index("identity_login_attempt_user_idx", table_name="identity_login_attempt")
    op.drop_index("identity_login_attempt_at_idx", table_name="identity_login_attempt")
    op.drop_table("identity_login_attempt")
    op.drop_index(op.f("identity_linked_account_user_id_idx"), table_name="identity_linked_account")
    op.drop_table("identity_linked_account")
    op.drop_index(op.f("identity_device_key_user_id_idx"), table_name="identity_device_key")
    op.drop_table("identity_device_key")
    op.drop_index(op.f("identity_api_key_user_id_idx"), table_name="identity_api_key")
    op.drop_index(
        "identity_api_key_revoked_idx",
        table_name="identity_api_key",
        postgresql_where=sa.text("revoked_at is not null"),
    )
    op.drop_table("identity_api_key")
    op.drop_index("identity_address_user_idx", table_name="identity_address")
    op.drop_index(
        "identity_address_shipping_key", table_name="identity_address", postgresql_where=sa.text("is_default_shipping")
    )
    op.drop_index(
        "identity_address_billing_key", table_name="identity_address", postgresql_where=sa.text("is_default_billing")
    )
    op.drop_table("identity_address")
    op.drop_table("identity_role")
