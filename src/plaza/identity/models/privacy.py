"""People who take their data along, or go for good."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base, Timestamped, Versioned, state_column
from plaza.core.states import Machine, Move
from plaza.identity.models.ids import UserId


class ExportStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


EXPORT = Machine(
    "export",
    ExportStatus,
    initial=ExportStatus.QUEUED,
    attribute="status",
    moves={
        "start": Move({ExportStatus.QUEUED, ExportStatus.RUNNING}, ExportStatus.RUNNING),
        "put_off": Move({ExportStatus.RUNNING}, ExportStatus.QUEUED),
        "finish": Move({ExportStatus.RUNNING}, ExportStatus.DONE),
        "fail": Move({ExportStatus.RUNNING}, ExportStatus.FAILED),
    },
)


class Export(Timestamped, Versioned, Base):
    """A zip of somebody's data, kept under `exports/<id>.zip` from the moment it is done until it is purged. One at a time is made."""

    __tablename__ = "identity_export"
    __table_args__ = (
        Index("identity_export_user_idx", "user_id", "id"),
        Index(
            "identity_export_open_key",
            "user_id",
            unique=True,
            postgresql_where=text("status in ('queued', 'running')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"))
    status: Mapped[ExportStatus] = state_column(EXPORT)
    failures: Mapped[int] = mapped_column(default=0)
    size: Mapped[int | None] = mapped_column(BigInteger)
    ended_at: Mapped[datetime | None] = mapped_column(index=True)

    @property
    def key(self) -> str:
        return export_key(self.id)

    @property
    def is_open(self) -> bool:
        return self.status in (ExportStatus.QUEUED, ExportStatus.RUNNING)

    @EXPORT.move
    def start(self) -> None:
        """Also anew, after a worker that died."""

    @EXPORT.move
    def put_off(self) -> None:
        self.failures += 1

    @EXPORT.move
    def finish(self, at: datetime, size: int) -> None:
        self.ended_at, self.size = at, size

    @EXPORT.move
    def fail(self, at: datetime) -> None:
        self.ended_at, self.failures = at, self.failures + 1


class Erasure(Timestamped, Versioned, Base):
    """A person's last will, and then the certificate that it was done. It outlives them: no foreign key leads to the account.

    `sealed_contacts` is gone with the end; then nothing in it is about a person but the id of one whom nobody knows any more.
    `fingerprint` is the SHA-256 of the certificate and stands in the audit log, too.
    """

    __tablename__ = "identity_erasure"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UserId] = mapped_column(unique=True)
    erase_texts: Mapped[bool]
    sealed_contacts: Mapped[str | None]
    completed_at: Mapped[datetime | None]
    fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary)


class ErasureStep(Base):
    """What was taken from one context, counted over all commands that it took."""

    __tablename__ = "identity_erasure_step"

    erasure_id: Mapped[UUID] = mapped_column(ForeignKey("identity_erasure.id", ondelete="RESTRICT"), primary_key=True)
    context: Mapped[str] = mapped_column(String(40), primary_key=True)
    counts: Mapped[dict[str, Any]]
    finished_at: Mapped[datetime | None]


def export_key(export_id: UUID) -> str:
    return f"exports/{export_id}.zip"
