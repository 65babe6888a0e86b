"""What people may do beyond their own things."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base, Timestamped, Versioned
from plaza.identity.models.ids import UserId


class Role(Timestamped, Versioned, Base):
    """The seven that are built in cannot be removed."""

    __tablename__ = "identity_role"
    __table_args__ = (CheckConstraint("name ~ '^[a-z][a-z0-9_-]{1,39}$'", name="name"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    description: Mapped[str] = mapped_column(String(200))
    is_builtin: Mapped[bool] = mapped_column(default=False)


class RolePermission(Base):
    """`permission` is one that a context declares."""

    __tablename__ = "identity_role_permission"

    role_id: Mapped[UUID] = mapped_column(ForeignKey("identity_role.id", ondelete="CASCADE"), primary_key=True)
    permission: Mapped[str] = mapped_column(String(80), primary_key=True)


class UserRole(Timestamped, Base):
    """A grant. Past `expires_at` it counts no more; access tokens do not outlive it."""

    __tablename__ = "identity_user_role"
    __table_args__ = (Index("identity_user_role_expires_idx", "expires_at"),)

    user_id: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"), primary_key=True)
    role_id: Mapped[UUID] = mapped_column(
        ForeignKey("identity_role.id", ondelete="RESTRICT"), primary_key=True, index=True
    )
    assigned_by: Mapped[UserId | None] = mapped_column(ForeignKey("identity_user.id", ondelete="SET NULL"))
    expires_at: Mapped[datetime | None]
