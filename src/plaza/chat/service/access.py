"""Who may enter a conversation.

A stranger learns nothing (404). Whoever is or was part of it may know that it exists: deleted (410), or left (403).
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from plaza.chat.errors import (
    AlreadyDeleted,
    Blocked,
    ConversationDeleted,
    ConversationNotFound,
    MessageNotFound,
    NotGroup,
    NotParticipant,
    SystemMessage,
)
from plaza.chat.models import Conversation, Kind, Message, MessageType, Participant
from plaza.chat.repository import (
    BlockRepository,
    ChangeRepository,
    ConversationRepository,
    ParticipantRepository,
    Standing,
)
from plaza.core.actor import Actor
from plaza.core.db import Database
from plaza.core.result import DomainError

ENTRANCE = (ConversationNotFound, ConversationDeleted, NotParticipant)
"""What any method that concerns one conversation may refuse with."""


def refusal(standing: Standing | None) -> DomainError | None:
    """What keeps somebody out; `standing` is None for strangers and for conversations that do not exist."""
    if standing is None:
        return ConversationNotFound()
    if standing.is_deleted:
        return ConversationDeleted()
    return None if standing.is_live else NotParticipant()


def admit(standing: Standing | None) -> None:
    """Raises one of `ENTRANCE` for whoever may not enter."""
    refused = refusal(standing)
    if refused is not None:
        raise refused


def must_be_text(message: Message) -> None:
    """Raises SystemMessage and AlreadyDeleted."""
    if message.type == MessageType.SYSTEM:
        raise SystemMessage
    if message.deleted_at is not None:
        raise AlreadyDeleted


class Entrance:
    def __init__(self, db: Database) -> None:
        self.conversations, self.participants = ConversationRepository(db), ParticipantRepository(db)
        self.changes, self.blocks = ChangeRepository(db), BlockRepository(db)

    async def check(self, conversation_id: UUID, user_id: UUID) -> None:
        """Raises one of `ENTRANCE`."""
        admit(await self.participants.standing(conversation_id, user_id))

    async def lock(self, actor: Actor, conversation_id: UUID) -> tuple[Conversation, Participant]:
        """The conversation, held until the transaction ends, and the actor's part in it. Raises one of `ENTRANCE`."""
        conversation = await self.conversations.lock(conversation_id, deleted=True)
        stay = None if conversation is None else await self.participants.last_stay(conversation_id, actor.user_id)
        if conversation is None or stay is None:
            raise ConversationNotFound
        admit(Standing(is_deleted=conversation.deleted_at is not None, is_live=stay.left_at is None))
        return conversation, stay

    async def lock_message(
        self, actor: Actor, conversation_id: UUID, message_id: UUID
    ) -> tuple[Conversation, Participant, Message]:
        """The same, and a message of it. Besides, raises MessageNotFound."""
        conversation, me = await self.lock(actor, conversation_id)
        message = await self.changes.message(conversation_id, message_id)
        if message is None:
            raise MessageNotFound
        return conversation, me, message

    async def must_not_be_parted(self, conversation: Conversation) -> None:
        """Raises Blocked where one of the two has blocked the other. The conversation is locked."""
        if conversation.kind == Kind.DIRECT and await self.blocks.parts(conversation.id):
            raise Blocked

    async def must_not_be_between(self, user_id: UUID, others: Collection[UUID]) -> None:
        """Raises Blocked where one of the others has blocked this one, or the other way round."""
        if await self.blocks.between(user_id, others):
            raise Blocked

    async def lock_group(self, actor: Actor, conversation_id: UUID) -> tuple[Conversation, Participant]:
        """Besides, raises NotGroup."""
        conversation, me = await self.lock(actor, conversation_id)
        if conversation.kind != Kind.GROUP:
            raise NotGroup
        return conversation, me
