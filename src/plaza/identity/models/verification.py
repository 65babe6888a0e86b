"""Codes and links that prove a contact, or that somebody holds one."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base, Timestamped, Versioned
from plaza.identity.models.ids import UserId


class Purpose(StrEnum):
    """What a code or link is good for; one of another purpose is never accepted."""

    EMAIL_VERIFICATION = "email_verification"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a purpose, not a password
    MAGIC_LINK = "magic_link"
    EMAIL_CHANGE = "email_change"
    EMAIL_CHANGE_UNDO = "email_change_undo"
    PHONE_VERIFICATION = "phone_verification"
    PHONE_LOGIN = "phone_login"


class VerificationToken(Timestamped, Versioned, Base):
    """A code and a link, either of which may be used once.

    Rows without a user are decoys: they make an address that is taken, or unknown, behave like one that is being registered.
    `address` is an e-mail address or a phone number. `attempts` counts wrong codes. What was asked for at registration rides along and
    takes effect with the one that is used: a password, a name, an outside account to link. `challenge` is the S256 challenge that the
    asking device made. An undo brings back the address that it was sent to.
    """

    __tablename__ = "identity_verification_token"
    __table_args__ = (
        CheckConstraint(f"purpose in ({', '.join(repr(purpose.value) for purpose in Purpose)})", name="purpose"),
        Index("identity_verification_token_address_idx", "address", "purpose", "created_at"),
        Index("identity_verification_token_expires_idx", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(254))
    user_id: Mapped[UserId | None] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    link_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    attempts: Mapped[int] = mapped_column(default=0)
    password_hash: Mapped[str | None]
    display_name: Mapped[str | None] = mapped_column(String(100))
    challenge: Mapped[str | None] = mapped_column(String(43))
    linked_provider: Mapped[str | None] = mapped_column(String(80))
    linked_subject: Mapped[str | None] = mapped_column(String(255))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    @property
    def linked(self) -> tuple[str, str] | None:
        """(provider, subject) of the outside account."""
        if self.linked_provider is None or self.linked_subject is None:
            return None
        return self.linked_provider, self.linked_subject
