"""Sessions that an outside issuer keeps."""

from __future__ import annotations

from sqlalchemy import Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base, Timestamped
from plaza.identity.models.ids import SessionId


class OutsideSession(Timestamped, Base):
    """`hash` is of the issuer and its name for the session. `session_id` is the session here that stands for it.

    That one, and its person, may go before this row does: a session that is gone has ended, and is not opened again under the same name.
    """

    __tablename__ = "identity_outside_session"
    __table_args__ = (Index("identity_outside_session_created_idx", "created_at"),)

    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    session_id: Mapped[SessionId] = mapped_column(unique=True)
