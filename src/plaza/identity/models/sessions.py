"""Sessions, and the refresh tokens that keep them going."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base, Timestamped, Versioned
from plaza.identity.models.ids import SessionId, UserId


class EndReason(StrEnum):
    LOGOUT = "logout"
    LOGOUT_ALL = "logout_all"
    ENDED = "ended"
    REFRESH_REUSED = "refresh_reused"
    ACCOUNT_DISABLED = "account_disabled"
    REAUTHENTICATED = "reauthenticated"
    CREDENTIALS_CHANGED = "credentials_changed"
    ENDED_BY_STAFF = "ended_by_staff"
    IMPERSONATION_OVER = "impersonation_over"


class Session(Timestamped, Versioned, Base):
    """One login on one device, and the family of its refresh tokens.

    `expires_at` moves on with each refresh (idle limit) but never beyond the absolute limit. Ended ones are kept for a while: access
    tokens of theirs may still be around, and their owner recognises the device by them.
    `methods` are what proved who it was (RFC 8176). One with an `impersonator_id` is a staff member's, has no refresh token and its reason.
    """

    __tablename__ = "identity_session"
    __table_args__ = (
        CheckConstraint("(revoked_at is null) = (revoked_reason is null)", name="revoked"),
        CheckConstraint("(impersonator_id is null) = (impersonation_reason is null)", name="impersonation"),
        Index("identity_session_user_idx", "user_id", "id"),
        Index("identity_session_revoked_idx", "revoked_at", postgresql_where=text("revoked_at is not null")),
        Index("identity_session_expires_idx", "expires_at"),
        Index(
            "identity_session_impersonator_idx",
            "impersonator_id",
            "expires_at",
            postgresql_where=text("impersonator_id is not null"),
        ),
    )

    id: Mapped[SessionId] = mapped_column(primary_key=True)
    user_id: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"))
    device_name: Mapped[str] = mapped_column(String(100))
    platform: Mapped[str] = mapped_column(String(20))
    user_agent: Mapped[str] = mapped_column(String(500))
    ip: Mapped[str] = mapped_column(String(45))
    methods: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    impersonator_id: Mapped[UserId | None] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"))
    impersonation_reason: Mapped[str | None] = mapped_column(String(500))
    authenticated_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None] = mapped_column(String(40))

    @property
    def is_own(self) -> bool:
        """Not one in which staff act as its user."""
        return self.impersonator_id is None


class RefreshToken(Timestamped, Versioned, Base):
    """Only the newest of a family is unused. Touched under the lock of its session."""

    __tablename__ = "identity_refresh_token"
    __table_args__ = (Index("identity_refresh_token_expires_idx", "expires_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    session_id: Mapped[SessionId] = mapped_column(ForeignKey("identity_session.id", ondelete="CASCADE"), index=True)
    # Unique: one token has one successor, whatever races.
    parent_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("identity_refresh_token.id", ondelete="SET NULL"), unique=True
    )
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
