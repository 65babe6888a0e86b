"""What a grouped send must equal: one draft, one transaction, step by step through the ORM."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from plaza.chat.errors import AttachmentsUnavailable, Blocked, ContentTooLong, EmptyContent, InvalidParent, SlowMode
from plaza.chat.models import Conversation, Message, Participant, Posting, Role
from plaza.chat.repository import ConversationRepository, ParticipantRepository
from plaza.chat.schemas import MessageDraft
from plaza.chat.service.access import ENTRANCE, Entrance
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.errors import PermissionDenied
from plaza.core.ids import uuid7
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command
from plaza.domain_events.chat import MessageId
from plaza.domain_events.identity import UserId


class PlainSend(Service):
    def __init__(self, db: Database, clock: Clock) -> None:
        super().__init__(db)
        self.clock, self.entrance = clock, Entrance(db)
        self.conversations, self.participants = ConversationRepository(db), ParticipantRepository(db)

    @command(
        *ENTRANCE,
        EmptyContent,
        ContentTooLong,
        AttachmentsUnavailable,
        Blocked,
        PermissionDenied,
        InvalidParent,
        SlowMode,
    )
    async def send(self, draft: MessageDraft) -> ServiceResult[tuple[MessageId, bool]]:
        """The message's id, and whether it is new."""
        session = self.db.session
        same = select(Message).where(Message.sender_id == draft.sender_id, Message.client_id == draft.client_id)
        if (sent := (await session.scalars(same)).one_or_none()) is not None:
            return success((sent.id, False))
        conversation, me = await self.entrance.lock(Actor(user_id=draft.sender_id), draft.conversation_id)
        if not draft.content.strip():
            return failure(EmptyContent())
        if len(draft.content) > 10_000:
            return failure(ContentTooLong())
        if draft.has_attachments:
            return failure(AttachmentsUnavailable())
        await self.entrance.must_not_be_parted(conversation)
        if conversation.posting == Posting.ADMINS and me.role == Role.MEMBER:
            return failure(PermissionDenied())
        root = None
        if draft.parent_id is not None:
            parent = await session.get(Message, draft.parent_id)
            if parent is None or parent.conversation_id != conversation.id or parent.type != "text":
                return failure(InvalidParent())
            root = parent if parent.parent_id is None else await session.get(Message, parent.parent_id)
            assert root is not None
        if me.role == Role.MEMBER and await self._is_too_soon(conversation, draft.sender_id):
            return failure(SlowMode())
        if root is not None:
            root.reply_count += 1
        conversation.last_seq += 1
        conversation.last_message_at = self.clock.now()
        message = Message(
            id=MessageId(uuid7()),
            conversation_id=conversation.id,
            seq=conversation.last_seq,
            sender_id=draft.sender_id,
            type="text",
            content=draft.content,
            client_id=draft.client_id,
            parent_id=None if root is None else root.id,
            reply_count=0,
            mentions=await self._mentions(draft, me),
            created_at=self.clock.now(),
        )
        session.add(message)
        return success((message.id, True))

    async def _is_too_soon(self, conversation: Conversation, sender_id: UserId) -> bool:
        last = await self.db.session.scalar(
            select(func.max(Message.created_at)).where(
                Message.conversation_id == conversation.id, Message.sender_id == sender_id
            )
        )
        return last is not None and last + timedelta(seconds=conversation.slow_mode_s) > self.clock.now()

    async def _mentions(self, draft: MessageDraft, me: Participant) -> list[UserId]:
        live = set(await self.participants.live_user_ids(draft.conversation_id))
        if "<@all>" in draft.content and me.role in (Role.OWNER, Role.ADMIN):
            return sorted(live - {me.user_id})
        return sorted(user_id for user_id in live if f"<@{user_id}>" in draft.content.lower())
