"""The keys that sign access tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base, Timestamped


class SigningKey(Timestamped, Base):
    """A key that signs access tokens until `retired_at`, and verifies them a while longer. A retired one's private half is wiped."""

    __tablename__ = "identity_signing_key"
    __table_args__ = (CheckConstraint("(retired_at is null) = (sealed_private_key is not null)", name="retired"),)

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    sealed_private_key: Mapped[str | None]
    public_key: Mapped[dict[str, Any]]
    retired_at: Mapped[datetime | None]
