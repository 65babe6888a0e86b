"""Accounts elsewhere that their owner may log in with."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base, Timestamped, Versioned
from plaza.identity.models.ids import UserId


class LinkedAccount(Timestamped, Versioned, Base):
    """`provider` is google, apple, github, or oidc:<name>, and `provider_user_id` its `sub`. `email` is what it said last, for show."""

    __tablename__ = "identity_linked_account"
    __table_args__ = (UniqueConstraint("provider", "provider_user_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"), index=True)
    provider: Mapped[str] = mapped_column(String(80))
    provider_user_id: Mapped[str] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(String(254))
    last_used_at: Mapped[datetime | None]


class UnlinkedAccount(Timestamped, Base):
    """What its owner has removed is linked again by them alone, signed in: a vouched address is not enough any more."""

    __tablename__ = "identity_unlinked_account"

    user_id: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"), primary_key=True)
    provider: Mapped[str] = mapped_column(String(80), primary_key=True)
    provider_user_id: Mapped[str] = mapped_column(String(255), primary_key=True)
