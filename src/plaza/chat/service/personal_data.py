"""Chat's share of a person: what they take along, and what of them goes when they go.

Messages stay where others read them, without their sender; where the erasure asks for it, they stay as tombstones.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from plaza.chat.repository import ChangeRepository, ConversationRepository
from plaza.chat.repository.personal_data import PersonalRows
from plaza.chat.schemas import ForgetPresence
from plaza.chat.service.announcing import Journal
from plaza.chat.service.editing import bury
from plaza.chat.service.participants import ParticipantService
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.personal_data import Erased, Person, Piece, document, lines
from plaza.core.realtime import Hub
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, command
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId

# One round of an erasure: each conversation is locked, each text is told to whoever has the conversation open.
_LEFT_AT_ONCE = 10
_BURIED_AT_ONCE = 100
_DISOWNED_AT_ONCE = 5_000


class ChatData(Service):
    def __init__(self, db: Database, clock: Clock, hub: Hub, participants: ParticipantService) -> None:
        super().__init__(db)
        self.clock, self.participants = clock, participants
        self.rows, self.conversations, self.changes = PersonalRows(db), ConversationRepository(db), ChangeRepository(db)
        self.journal = Journal(db, clock, hub)

    async def export(self, person: Person) -> AsyncIterator[Piece]:
        user_id = UserId(person.user_id)
        yield lines("conversations", self.rows.conversations(user_id))
        yield lines("messages", self.rows.messages(user_id))
        async for name, rows in self.rows.lists(user_id):
            if rows:
                yield document(name, rows)

    @command()
    async def erase(self, person: Person) -> ServiceResult[Erased]:
        """First out of every conversation, as if they had left it; then what they wrote; then the rest."""
        user_id = UserId(person.user_id)
        if live := await self.rows.live_conversations(user_id, _LEFT_AT_ONCE):
            for conversation_id in live:
                (await self.participants.leave(Actor(user_id=user_id), conversation_id)).unwrap()
            return success(Erased({"conversations_left": len(live)}, finished=False))
        if person.erase_texts and (found := await self.rows.conversation_with_text(user_id)) is not None:
            return success(Erased({"texts": await self._bury(user_id, found)}, finished=False))
        disowned = await self.rows.disown_messages(user_id, _DISOWNED_AT_ONCE)
        if disowned == _DISOWNED_AT_ONCE:
            return success(Erased({"messages": disowned}, finished=False))
        counts = {"messages": disowned, **await self.rows.erase(user_id)}
        if person.erase_texts:
            counts["reported_texts"] = await self.rows.forget_reported_texts(user_id)
        self.db.enqueue(ForgetPresence(user_id=user_id))
        return success(Erased(counts))

    async def _bury(self, user_id: UserId, conversation_id: ConversationId) -> int:
        conversation = await self.conversations.lock(conversation_id, deleted=True)
        assert conversation is not None  # its messages stand
        texts = await self.rows.texts(user_id, conversation_id, _BURIED_AT_ONCE)
        for message in texts:
            await bury(self.changes, self.journal, conversation, message, self.clock.now())
        return len(texts)
