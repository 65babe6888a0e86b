"""Tables of identity.

A user row may stand for an address that nobody has proved yet; whoever reads people for others leaves `pending` ones out.
Secrets are never stored: passwords as argon2id, one-time codes as HMAC, random tokens as SHA-256, private keys sealed.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base, Timestamped, Versioned, state_column, typed_ids
from plaza.core.states import Machine, Move
from plaza.domain_events.identity import SessionId, UserId

typed_ids(UserId, SessionId)

STORAGE_QUOTA_BYTES = 25 * 2**30


class UserStatus(StrEnum):
    PENDING = "pending"
    WAITLISTED = "waitlisted"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    BANNED = "banned"


ACCOUNT = Machine(
    "account",
    UserStatus,
    initial=UserStatus.PENDING,
    attribute="status",
    moves={
        "verify": Move({UserStatus.PENDING}, UserStatus.ACTIVE),
        "expire": Move({UserStatus.PENDING}, UserStatus.DEACTIVATED),
        "reopen": Move({UserStatus.DEACTIVATED}, UserStatus.PENDING),
        "waitlist": Move({UserStatus.ACTIVE}, UserStatus.WAITLISTED),
        "promote": Move({UserStatus.WAITLISTED}, UserStatus.ACTIVE),
        "deactivate": Move({UserStatus.ACTIVE, UserStatus.WAITLISTED}, UserStatus.DEACTIVATED),
        "ban": Move({UserStatus.ACTIVE, UserStatus.WAITLISTED, UserStatus.DEACTIVATED}, UserStatus.BANNED),
        "reinstate": Move({UserStatus.DEACTIVATED, UserStatus.BANNED}, UserStatus.ACTIVE),
    },
)


class NeverVerified(RuntimeError):
    """An account that proved no contact cannot become active."""


class User(Timestamped, Versioned, Base):
    """`password_hash` is None for people who never set one, and for pending ones: theirs rides on the verification token."""

    __tablename__ = "identity_user"
    __table_args__ = (
        CheckConstraint("email is not null or phone is not null or deleted_at is not null", name="contact"),
        CheckConstraint("email = lower(email)", name="email"),
        CheckConstraint(
            "status not in ('active', 'waitlisted', 'banned') or email_verified_at is not null or phone_verified_at is not null",
            name="verified",
        ),
        Index("identity_user_pending_idx", "created_at", postgresql_where=text("status = 'pending'")),
    )

    id: Mapped[UserId] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    phone: Mapped[str | None] = mapped_column(String(16), unique=True)
    password_hash: Mapped[str | None]
    email_verified_at: Mapped[datetime | None]
    phone_verified_at: Mapped[datetime | None]
    status: Mapped[UserStatus] = state_column(ACCOUNT)
    is_staff: Mapped[bool] = mapped_column(default=False)
    is_superuser: Mapped[bool] = mapped_column(default=False)
    last_login_at: Mapped[datetime | None]
    token_version: Mapped[int] = mapped_column(default=1)
    deleted_at: Mapped[datetime | None]

    @property
    def is_verified(self) -> bool:
        return self.email_verified_at is not None or self.phone_verified_at is not None

    @ACCOUNT.move
    def verify(self, at: datetime) -> None:
        self.email_verified_at = at

    @ACCOUNT.move
    def expire(self) -> None:
        """Nobody proved the address in time."""

    @ACCOUNT.move
    def reopen(self) -> None:
        """An expired address is registered anew; somebody who deactivated an account comes back by `reinstate`."""
        if self.is_verified:
            raise NeverVerified("only an account that was never verified is reopened")

    @ACCOUNT.move
    def waitlist(self) -> None:
        """The first completed profile, where the waitlist is on."""

    @ACCOUNT.move
    def promote(self) -> None:
        """Off the waitlist."""

    @ACCOUNT.move
    def deactivate(self) -> None:
        """By the person; the data stays."""

    @ACCOUNT.move
    def ban(self) -> None:
        """By staff."""

    @ACCOUNT.move
    def reinstate(self) -> None:
        if not self.is_verified:
            raise NeverVerified("an account without a verified contact is registered anew instead")


class Profile(Versioned, Base):
    """`username` keeps its spelling and is unique without case. `preferences` is the stored form of `schemas.Preferences`."""

    __tablename__ = "identity_profile"
    __table_args__ = (
        Index("identity_profile_username_key", text("lower(username)"), unique=True),
        CheckConstraint("username ~ '^[A-Za-z0-9_-]{3,30}$'", name="username"),
        CheckConstraint("char_length(display_name) between 1 and 100", name="display_name"),
        CheckConstraint("char_length(bio) <= 500", name="bio"),
        CheckConstraint("storage_quota_bytes >= 0", name="storage_quota"),
    )

    user_id: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"), primary_key=True)
    first_name: Mapped[str] = mapped_column(default="")
    last_name: Mapped[str] = mapped_column(default="")
    display_name: Mapped[str]
    username: Mapped[str | None]
    avatar_id: Mapped[UUID | None]
    bio: Mapped[str] = mapped_column(default="")
    birth_date: Mapped[date | None]
    timezone: Mapped[str] = mapped_column(default="UTC")
    locale: Mapped[str] = mapped_column(default="en")
    preferences: Mapped[dict[str, Any]] = mapped_column(default=dict)
    storage_quota_bytes: Mapped[int] = mapped_column(BigInteger, default=STORAGE_QUOTA_BYTES)


class EndReason(StrEnum):
    LOGOUT = "logout"
    LOGOUT_ALL = "logout_all"
    ENDED = "ended"
    REFRESH_REUSED = "refresh_reused"
    ACCOUNT_DISABLED = "account_disabled"


class Session(Timestamped, Versioned, Base):
    """One login on one device, and the family of its refresh tokens.

    `expires_at` moves on with each refresh (idle limit) but never beyond the absolute limit. Ended ones are kept for a while: access
    tokens of theirs may still be around, and their owner recognises the device by them.
    """

    __tablename__ = "identity_session"
    __table_args__ = (
        CheckConstraint("(revoked_at is null) = (revoked_reason is null)", name="revoked"),
        Index("identity_session_user_idx", "user_id", "id"),
        Index("identity_session_revoked_idx", "revoked_at", postgresql_where=text("revoked_at is not null")),
        Index("identity_session_expires_idx", "expires_at"),
    )

    id: Mapped[SessionId] = mapped_column(primary_key=True)
    user_id: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"))
    device_name: Mapped[str] = mapped_column(String(100))
    platform: Mapped[str] = mapped_column(String(20))
    user_agent: Mapped[str] = mapped_column(String(500))
    ip: Mapped[str] = mapped_column(String(45))
    authenticated_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None] = mapped_column(String(40))


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


class Purpose(StrEnum):
    """What a code or link is good for; one of another purpose is never accepted."""

    EMAIL_VERIFICATION = "email_verification"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a purpose, not a password
    MAGIC_LINK = "magic_link"
    EMAIL_CHANGE = "email_change"
    PHONE_VERIFICATION = "phone_verification"
    PHONE_LOGIN = "phone_login"


class VerificationToken(Timestamped, Versioned, Base):
    """A code and a link, either of which may be used once.

    Rows without a user are decoys: they make an address that is taken, or unknown, behave like one that is being registered.
    `attempts` counts wrong codes. What was asked for at registration rides along and takes effect with the one that is used.
    """

    __tablename__ = "identity_verification_token"
    __table_args__ = (
        CheckConstraint(f"purpose in ({', '.join(repr(purpose.value) for purpose in Purpose)})", name="purpose"),
        Index("identity_verification_token_email_idx", "email", "created_at"),
        Index("identity_verification_token_expires_idx", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(String(40))
    email: Mapped[str] = mapped_column(String(254))
    user_id: Mapped[UserId | None] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    link_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    attempts: Mapped[int] = mapped_column(default=0)
    password_hash: Mapped[str | None]
    display_name: Mapped[str | None] = mapped_column(String(100))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SigningKey(Timestamped, Base):
    """A key that signs access tokens until `retired_at`, and verifies them a while longer. A retired one's private half is wiped."""

    __tablename__ = "identity_signing_key"
    __table_args__ = (CheckConstraint("(retired_at is null) = (sealed_private_key is not null)", name="retired"),)

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    sealed_private_key: Mapped[str | None]
    public_key: Mapped[dict[str, Any]]
    retired_at: Mapped[datetime | None]
