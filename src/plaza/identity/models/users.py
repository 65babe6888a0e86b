"""People: the account, and how its owner presents themselves."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Enum, ForeignKey, Index, String, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base, Timestamped, Versioned, state_column
from plaza.core.states import Machine, Move
from plaza.identity.models.ids import UserId

STORAGE_QUOTA_BYTES = 25 * 2**30


class UserStatus(StrEnum):
    PENDING = "pending"
    WAITLISTED = "waitlisted"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    BANNED = "banned"

    @property
    def may_log_in(self) -> bool:
        return self in (UserStatus.ACTIVE, UserStatus.WAITLISTED)


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
        "close_again": Move({UserStatus.BANNED}, UserStatus.DEACTIVATED),
        "wait_again": Move({UserStatus.BANNED}, UserStatus.WAITLISTED),
    },
)


class Way(StrEnum):
    """Kinds of ways to log in."""

    PASSWORD = "password"  # noqa: S105 - a kind, not a password
    EMAIL = "email"
    PHONE = "phone"
    PASSKEY = "passkey"
    DEVICE_KEY = "device_key"
    LINKED_ACCOUNT = "linked_account"


class NeverVerified(RuntimeError):
    """An account that proved no contact cannot become active."""


class User(Timestamped, Versioned, Base):
    """`password_hash` is None for people who never set one, and for pending ones: theirs rides on the verification token.

    `email_vouched_by` is the provider that alone says that the verified address is theirs; None once something mailed there came back.
    Access tokens of an older `token_version` are stale: what its owner may do has changed since, at `token_version_at`.
    `is_staff` and `is_superuser` follow from the roles and are written with them. A ban without `banned_until` has no end.
    """

    __tablename__ = "identity_user"
    __table_args__ = (
        CheckConstraint("email is not null or phone is not null or deleted_at is not null", name="contact"),
        CheckConstraint("email = lower(email)", name="email"),
        CheckConstraint(
            "status not in ('active', 'waitlisted', 'banned') or email_verified_at is not null or phone_verified_at is not null",
            name="verified",
        ),
        CheckConstraint("status <> 'waitlisted' or waitlisted_until is not null", name="waitlisted"),
        CheckConstraint("status = 'banned' or (banned_until is null and ban_reason is null)", name="banned"),
        Index("identity_user_pending_idx", "created_at", postgresql_where=text("status = 'pending'")),
        Index("identity_user_waitlisted_idx", "waitlisted_until", postgresql_where=text("status = 'waitlisted'")),
        Index("identity_user_stale_idx", "token_version_at", postgresql_where=text("token_version_at is not null")),
        Index("identity_user_banned_idx", "banned_until", postgresql_where=text("banned_until is not null")),
        Index(
            "identity_user_email_search_idx", "email", postgresql_using="gin", postgresql_ops={"email": "gin_trgm_ops"}
        ),
    )

    id: Mapped[UserId] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    phone: Mapped[str | None] = mapped_column(String(16), unique=True)
    password_hash: Mapped[str | None]
    email_verified_at: Mapped[datetime | None]
    email_vouched_by: Mapped[str | None] = mapped_column(String(80))
    phone_verified_at: Mapped[datetime | None]
    status: Mapped[UserStatus] = state_column(ACCOUNT)
    is_staff: Mapped[bool] = mapped_column(default=False)
    is_superuser: Mapped[bool] = mapped_column(default=False)
    last_login_at: Mapped[datetime | None]
    token_version: Mapped[int] = mapped_column(default=1)
    token_version_at: Mapped[datetime | None]
    waitlisted_until: Mapped[datetime | None]
    banned_until: Mapped[datetime | None]
    ban_reason: Mapped[str | None] = mapped_column(String(500))
    banned_from: Mapped[UserStatus | None] = mapped_column(
        Enum(UserStatus, native_enum=False, length=19, values_callable=lambda states: [each.value for each in states])
    )
    deleted_at: Mapped[datetime | None]

    @property
    def is_verified(self) -> bool:
        return self.email_verified_at is not None or self.phone_verified_at is not None

    @property
    def may_log_in(self) -> bool:
        return self.status.may_log_in

    @ACCOUNT.move
    def verify(self, at: datetime, *, phone: bool = False) -> None:
        if phone:
            self.phone_verified_at = at
        else:
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
    def waitlist(self, until: datetime) -> None:
        """The first completed profile, where the waitlist is on."""
        self.waitlisted_until = until

    @ACCOUNT.move
    def promote(self) -> None:
        self.waitlisted_until = None

    @ACCOUNT.move
    def deactivate(self) -> None:
        """By the person; the data stays."""

    @ACCOUNT.move
    def ban(self, reason: str | None = None, until: datetime | None = None) -> None:
        """By staff."""
        self.ban_reason, self.banned_until, self.banned_from = reason, until, self.status

    def lift_ban(self) -> None:
        """Back to where it was: a ban opens no account that its owner has closed, and shortens nobody's waiting."""
        if self.banned_from is UserStatus.WAITLISTED:
            self.wait_again()
        elif self.banned_from is UserStatus.DEACTIVATED or not self.is_verified:
            self.close_again()
        else:
            self.reinstate()

    @ACCOUNT.move
    def close_again(self) -> None:
        self._forget_ban()

    @ACCOUNT.move
    def wait_again(self) -> None:
        self._forget_ban()

    @ACCOUNT.move
    def reinstate(self) -> None:
        if not self.is_verified:
            raise NeverVerified("an account without a verified contact is registered anew instead")
        self._forget_ban()
        self.waitlisted_until = None

    def _forget_ban(self) -> None:
        self.ban_reason = self.banned_until = self.banned_from = None


# What staff search names in. Spelled as PostgreSQL spells it, so that the index serves it.
SEARCHED = "lower((((((coalesce(username, '') || ' ') || display_name) || ' ') || first_name) || ' ') || last_name)"


class Profile(Versioned, Base):
    """`username` keeps its spelling and is unique without case. `preferences` is the stored form of `schemas.Preferences`.

    `completed_at` is when it first had a username: what puts people on the waitlist, where there is one.
    """

    __tablename__ = "identity_profile"
    __table_args__ = (
        Index("identity_profile_username_key", text("lower(username)"), unique=True),
        CheckConstraint("username ~ '^[A-Za-z0-9_-]{3,30}$'", name="username"),
        CheckConstraint("char_length(display_name) between 1 and 100", name="display_name"),
        CheckConstraint("char_length(bio) <= 500", name="bio"),
        CheckConstraint("storage_quota_bytes >= 0", name="storage_quota"),
        Index(
            "identity_profile_search_idx",
            literal_column(SEARCHED).label("searched"),
            postgresql_using="gin",
            postgresql_ops={"searched": "gin_trgm_ops"},
        ),
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
    completed_at: Mapped[datetime | None]
