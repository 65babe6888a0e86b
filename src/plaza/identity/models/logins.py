"""What was tried at the door."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base
from plaza.identity.models.ids import UserId

LET_IN = "ok"


class LoginAttempt(Base):
    """`identifier_hash` is keyed: what strangers type is not kept. `outcome` is `LET_IN` or the code of a refusal. `user_id` only where a

    proof was right.
    """

    __tablename__ = "identity_login_attempt"
    __table_args__ = (
        Index("identity_login_attempt_user_idx", "user_id", "at"),
        Index("identity_login_attempt_at_idx", "at"),
        Index("identity_login_attempt_refused_idx", "identifier_hash", postgresql_where=text("user_id is null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UserId | None] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"))
    identifier_hash: Mapped[bytes] = mapped_column(LargeBinary)
    method: Mapped[str] = mapped_column(String(20))
    outcome: Mapped[str] = mapped_column(String(40))
    ip: Mapped[str] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(500))
    at: Mapped[datetime]
