"""Invite links, and people who were asked to join."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, delete, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from plaza.chat.models import Conversation, InviteLink, PendingInvite
from plaza.core.db import Database
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId


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

    async def revoke_of(self, conversation_id: UUID, maker: UUID, roles: Collection[str], now: datetime) -> None:
        statement = (
            update(InviteLink)
            .where(
                InviteLink.conversation_id == conversation_id,
                InviteLink.created_by == maker,
                InviteLink.role.in_(roles),
                InviteLink.revoked_at.is_(None),
            )
            .values(revoked_at=now, version=InviteLink.version + 1)
        )
        await (await self.db.session.connection()).execute(statement)


class PendingInviteRepository:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def put(
        self, conversation_id: ConversationId, user_id: UserId, role: str, invited_by: UserId, now: datetime
    ) -> None:
        row = {
            "conversation_id": conversation_id,
            "user_id": user_id,
            "role": role,
            "invited_by": invited_by,
            "created_at": now,
        }
        statement = insert(PendingInvite).values(row)
        changes = {name: statement.excluded[name] for name in ("role", "invited_by", "created_at")}
        statement = statement.on_conflict_do_update(index_elements=["conversation_id", "user_id"], set_=changes)
        await (await self.db.session.connection()).execute(statement)

    async def get(self, conversation_id: UUID, user_id: UUID) -> Row[Any] | None:
        """(role, invited_by)"""
        statement = select(PendingInvite.role, PendingInvite.invited_by).where(
            PendingInvite.conversation_id == conversation_id, PendingInvite.user_id == user_id
        )
        async with self.db.reading(fresh=True) as connection:
            return (await connection.execute(statement)).one_or_none()

    async def remove(self, conversation_id: UUID, user_id: UUID) -> bool:
        return await self._delete(PendingInvite.conversation_id == conversation_id, PendingInvite.user_id == user_id)

    async def remove_by(self, conversation_id: UUID, inviter: UUID, roles: Collection[str]) -> list[UserId]:
        """Whom they had asked."""
        statement = (
            delete(PendingInvite)
            .where(
                PendingInvite.conversation_id == conversation_id,
                PendingInvite.invited_by == inviter,
                PendingInvite.role.in_(roles),
            )
            .returning(PendingInvite.user_id)
        )
        return list((await (await self.db.session.connection()).execute(statement)).scalars())

    async def remove_of(self, user_id: UUID, inviter: UUID) -> bool:
        return await self._delete(PendingInvite.user_id == user_id, PendingInvite.invited_by == inviter)

    async def page(self, user_id: UUID, before: tuple[datetime, UUID] | None, limit: int) -> Sequence[Row[Any]]:
        """(conversation_id, title, participant_count, role, invited_by, created_at), the latest first."""
        statement = (
            select(
                PendingInvite.conversation_id,
                Conversation.title,
                Conversation.participant_count,
                PendingInvite.role,
                PendingInvite.invited_by,
                PendingInvite.created_at,
            )
            .join(Conversation, Conversation.id == PendingInvite.conversation_id)
            .where(PendingInvite.user_id == user_id, Conversation.deleted_at.is_(None))
        )
        if before is not None:
            statement = statement.where(tuple_(PendingInvite.created_at, PendingInvite.conversation_id) < before)
        order = PendingInvite.created_at.desc(), PendingInvite.conversation_id.desc()
        async with self.db.reading(fresh=True) as connection:
            return (await connection.execute(statement.order_by(*order).limit(limit))).all()

    async def _delete(self, *which: ColumnElement[bool]) -> bool:
        statement = delete(PendingInvite).where(*which)
        return (await (await self.db.session.connection()).execute(statement)).rowcount > 0
