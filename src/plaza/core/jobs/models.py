"""`core_job`: queue, inbox and dead letter in one. A row per job, per event and handler, and per firing of a cron."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base, state_column
from plaza.core.states import Machine, Move


class JobState(StrEnum):
    QUEUED = "queued"  # may run from `run_at` on, once what stands before it under its key has ended
    LEASED = "leased"  # a worker has it until `leased_until`
    DONE = "done"
    DEAD = "dead"  # given up; staff may retry it


JOB = Machine(
    "job",
    JobState,
    initial=JobState.QUEUED,
    moves={
        "lease": Move({JobState.QUEUED}, JobState.LEASED),
        "finish": Move({JobState.LEASED}, JobState.DONE),
        "put_back": Move({JobState.LEASED}, JobState.QUEUED),
        "give_up": Move({JobState.LEASED}, JobState.DEAD),
        "retry": Move({JobState.DEAD}, JobState.QUEUED),
    },
)


class JobRow(Base):
    """Written by the outbox, moved by `store` in bulk SQL.

    `attempt` numbers the leases and is the fence: whoever holds an older one writes nothing. `failures` counts the tries that count
    against the handler's limit; a worker that died with the job is no failure of the job. `position` orders the jobs of a key.
    """

    __tablename__ = "core_job"
    __table_args__ = (
        Index("core_job_due_idx", "queue", "run_at", "position", postgresql_where=text("state = 'queued'")),
        Index(
            "core_job_line_idx",
            "order_key",
            "position",
            postgresql_where=text("order_key is not null and state in ('queued', 'leased')"),
        ),
        Index("core_job_leased_idx", "leased_until", postgresql_where=text("state = 'leased'")),
        Index("core_job_ended_idx", "state", "ended_at", "id", postgresql_where=text("ended_at is not null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, Identity())
    queue: Mapped[str]
    handler: Mapped[str]
    payload: Mapped[Any] = mapped_column(JSONB)
    event: Mapped[dict[str, Any] | None]  # the envelope, where the payload is a domain event
    order_key: Mapped[str | None]
    state: Mapped[JobState] = state_column(JOB)
    attempt: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    run_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    correlation_id: Mapped[str]
    causation_id: Mapped[str]
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class JobStep(Base):
    """What the n-th command of an outside job answered, so that a retry goes on behind it. Gone when the job is done."""

    __tablename__ = "core_job_step"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("core_job.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    result: Mapped[bytes] = mapped_column(LargeBinary)
