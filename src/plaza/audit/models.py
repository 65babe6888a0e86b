"""Tables of audit. Triggers of theirs (in the migration) refuse DELETE, TRUNCATE and every UPDATE but sealing and erasure, once each."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base


class Entry(Base):
    """Three parts: what stands for ever, what erasure empties (from `ip` to `salt`), and the seal (from `position` on).

    `actor_id` did it; `user_id` is whose account it concerns. Neither is a foreign key: an entry outlives whom it names.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (
        CheckConstraint("num_nulls(position, personal_digest, digest, hash, mac, key_id) in (0, 6)", name="seal"),
        Index("audit_entry_at_idx", "at", "id"),
        Index("audit_entry_actor_idx", "actor_id", "at", "id"),
        Index("audit_entry_user_idx", "user_id", "at", "id"),
        Index("audit_entry_subject_idx", "subject_type", "subject_id", "at", "id"),
        Index("audit_entry_action_idx", "action", "at", "id"),
        Index("audit_entry_unsealed_idx", "id", postgresql_where=text("position is null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    action: Mapped[str]
    subject_type: Mapped[str]
    subject_id: Mapped[str]
    actor_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    api_key_id: Mapped[UUID | None]
    impersonator_id: Mapped[UUID | None] = mapped_column(index=True)
    organization_id: Mapped[UUID | None]
    correlation_id: Mapped[str]

    ip: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(500))
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    salt: Mapped[bytes | None] = mapped_column(LargeBinary)

    position: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    personal_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    mac: Mapped[bytes | None] = mapped_column(LargeBinary)
    key_id: Mapped[str | None] = mapped_column(String(16))
