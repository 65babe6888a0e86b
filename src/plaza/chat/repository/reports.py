"""Reports: the queue of staff."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from plaza.chat.models import Message, Report, ReportState
from plaza.core.db import Repository
from plaza.domain_events.identity import UserId


class ReportRepository(Repository[Report]):
    model = Report

    async def message(self, message_id: UUID) -> Message | None:
        return (await self.db.session.scalars(select(Message).where(Message.id == message_id))).one_or_none()

    async def open_one(self, reporter_id: UUID, message_id: UUID | None, reported_id: UserId | None) -> Report | None:
        """What this person has reported already: this message, or where there is none this person."""
        statement = select(Report).where(Report.reporter_id == reporter_id, Report.state == ReportState.OPEN)
        if message_id is not None:
            statement = statement.where(Report.message_id == message_id)
        else:
            statement = statement.where(Report.message_id.is_(None), Report.reported_id == reported_id)
        return (await self.db.session.scalars(statement.limit(1))).one_or_none()

    async def page(self, state: ReportState, after: UUID | None, limit: int) -> Sequence[Report]:
        """The oldest first."""
        statement = select(Report).where(Report.state == state)
        if after is not None:
            statement = statement.where(Report.id > after)
        return (await self.db.session.scalars(statement.order_by(Report.id).limit(limit))).all()
