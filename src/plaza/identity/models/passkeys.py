"""Keys that people's devices hold: passkeys (WebAuthn), and an app's own device keys ("biometric")."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base, Timestamped, Versioned
from plaza.identity.models.ids import UserId


class Passkey(Timestamped, Versioned, Base):
    """`public_key` is COSE. `sign_count` stays 0 with authenticators that do not count."""

    __tablename__ = "identity_passkey"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger, default=0)
    transports: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    aaguid: Mapped[UUID]
    backup_eligible: Mapped[bool]
    backed_up: Mapped[bool]
    name: Mapped[str] = mapped_column(String(100))
    last_used_at: Mapped[datetime | None]


class DeviceKey(Timestamped, Versioned, Base):
    """`public_key` is an EC P-256 key in DER (SubjectPublicKeyInfo)."""

    __tablename__ = "identity_device_key"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"), index=True)
    device_name: Mapped[str] = mapped_column(String(100))
    public_key: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    last_used_at: Mapped[datetime | None]
