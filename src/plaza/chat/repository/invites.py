"""Invite links, and people who were asked to join."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, tuple_

from plaza.chat.models import InviteLink
from plaza.core.db import Database
from plaza.domain_events.chat import ConversationId


class InviteLinkRepository:
    def __init__(self, db: Database) -> None:
        self.db = db

    def add(self, link: InviteLink) -> InviteLink:
        self.db.session.add(link)
        return link

    async def conversation_of(self, code: str) -> ConversationId | None:
        statement = select(InviteLink.conversation_id).where(InviteLink.code == code)
        return (await self.db.session.scalars(statement)).one_or_none()

    async def get(self, code: str) -> InviteLink | None:
        """As it is now, under its conversation's lock."""
        statement = select(InviteLink).where(InviteLink.code == code)
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def page(
        self, conversation_id: ConversationId, before: tuple[datetime, str] | None, limit: int
    ) -> Sequence[InviteLink]:
        """Those that were not revoked, the latest first."""
        statement = select(InviteLink).where(
            InviteLink.conversation_id == conversation_id, InviteLink.revoked_at.is_(None)
        )
        if before is not None:
            statement = statement.where(tuple_(InviteLink.created_at, InviteLink.code) < before)
        order = InviteLink.created_at.desc(), InviteLink.code.desc()
        return (await self.db.session.scalars(statement.order_by(*order).limit(limit))).all()
