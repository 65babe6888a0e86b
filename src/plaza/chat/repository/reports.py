"""Reports: the queue of staff."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm.exc import StaleDataError

from plaza.chat.models import Message, Report, ReportState
from plaza.core.db import Repository
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import UserId

# What staff see: what was reported, as it stood then, and why.
REPORTS_FOR_STAFF = select(
    Report.id,
    Report.state,
    Report.reason,
    Report.content,
    Report.reporter_id,
    Report.reported_id,
    Report.conversation_id,
    Report.message_id,
    Report.created_at,
    Report.action,
    Report.resolved_by,
    Report.resolved_at,
)


class NewRow(TypedDict):
    id: UUID
    reporter_id: UserId
    reported_id: UserId | None
    conversation_id: ConversationId | None
    message_id: MessageId | None
    content: str | None
    reason: str
    created_at: datetime


class ReportRepository(Repository[Report]):
    model = Report

    async def message(self, message_id: UUID) -> Message | None:
        return (await self.db.session.scalars(select(Message).where(Message.id == message_id))).one_or_none()

    async def put(self, report: NewRow) -> tuple[Report, bool]:
        """Or the open one of this person about the same message, or the same person; and whether it is new."""
        statement = insert(Report).values(**report, state=ReportState.OPEN).on_conflict_do_nothing()
        is_new = (await (await self.db.session.connection()).execute(statement)).rowcount > 0
        found = select(Report).where(Report.reporter_id == report["reporter_id"], Report.state == ReportState.OPEN)
        if report["message_id"] is not None:
            found = found.where(Report.message_id == report["message_id"])
        else:
            found = found.where(Report.conversation_id.is_(None), Report.reported_id == report["reported_id"])
        stands = (await self.db.session.scalars(found)).one_or_none()
        if stands is None:  # resolved since: the next try makes a new one
            raise StaleDataError("chat_report")
        return stands, is_new

    async def page(self, state: ReportState, after: UUID | None, limit: int) -> Sequence[Report]:
        """The oldest first."""
        statement = select(Report).where(Report.state == state)
        if after is not None:
            statement = statement.where(Report.id > after)
        return (await self.db.session.scalars(statement.order_by(Report.id).limit(limit))).all()
