"""Second factors, and logins that wait for one."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base, Timestamped, Versioned
from plaza.identity.models.ids import SessionId, UserId


class TotpDevice(Timestamped, Versioned, Base):
    """A user's confirmed one is a second factor. `last_used_step` is the newest time step (RFC 6238) whose code was accepted."""

    __tablename__ = "identity_totp_device"
    __table_args__ = (
        Index(
            "identity_totp_device_confirmed_key",
            "user_id",
            unique=True,
            postgresql_where=text("confirmed_at is not null"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"), index=True)
    sealed_secret: Mapped[str]
    confirmed_at: Mapped[datetime | None]
    last_used_step: Mapped[int | None] = mapped_column(BigInteger)


class RecoveryCode(Timestamped, Base):
    __tablename__ = "identity_recovery_code"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"), index=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    used_at: Mapped[datetime | None]


class MfaChallenge(Timestamped, Versioned, Base):
    """A login whose first factor was accepted. `methods` are what proved it, `replaces` the session that it will take the place of."""

    __tablename__ = "identity_mfa_challenge"
    __table_args__ = (Index("identity_mfa_challenge_expires_idx", "expires_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"), index=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    methods: Mapped[list[str]] = mapped_column(ARRAY(Text))
    replaces: Mapped[SessionId | None]
    attempts: Mapped[int] = mapped_column(default=0)
    ip: Mapped[str] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(500))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
