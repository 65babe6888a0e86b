"""People and conversations, made through the services."""

from __future__ import annotations

from itertools import count
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec

from plaza.chat import (
    ConversationService,
    Kind,
    MessageService,
    MessageView,
    NewConversation,
    NewMessage,
    NewParticipant,
    ParticipantService,
    ReadingService,
)
from plaza.chat.schemas import (
    ConversationView,
    Direction,
    NewContent,
    NewReaction,
    Reacted,
    RoleChange,
    SeqMarker,
    Span,
)
from plaza.chat.service import EditingService, PinService, ReactionService
from plaza.core.actor import Actor
from plaza.core.db import Page, PageRequest
from plaza.core.result import Failure, ServiceResult
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import UserId
from plaza.identity import NewUser, Origin, SessionService, UserService
from tests.support.stage import Stage

_numbers = count(1)


class Chat:
    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.conversations = stage[ConversationService]
        self.participants = stage[ParticipantService]
        self.messages = stage[MessageService]
        self.editing = stage[EditingService]
        self.reactions = stage[ReactionService]
        self.pins = stage[PinService]
        self.reading = stage[ReadingService]

    async def people(self, *names: str) -> list[Actor]:
        new = [NewUser(email=f"{name.lower()}-{next(_numbers)}@example.com", display_name=name) for name in names]
        return [Actor(user_id=id) for id in (await self.stage[UserService].create_many(new)).unwrap()]

    async def http(self, person: Actor) -> httpx.AsyncClient:
        origin = Origin(ip="127.0.0.1", user_agent="tests")
        (token,) = (await self.stage[SessionService].open_many([UserId(person.user_id)], origin)).unwrap()
        return self.stage.client(token)

    async def direct(self, one: Actor, other: Actor) -> ConversationId:
        new = NewConversation(kind=Kind.DIRECT, member_ids=[other.user_id])
        return (await self.conversations.create(one, new)).unwrap().conversation.id

    async def group(
        self, owner: Actor, *members: Actor, admins: tuple[Actor, ...] = (), title: str = "Team"
    ) -> ConversationId:
        member_ids = [each.user_id for each in (*admins, *members)]
        new = NewConversation(kind=Kind.GROUP, member_ids=member_ids, title=title)
        id = (await self.conversations.create(owner, new)).unwrap().conversation.id
        for each in admins:
            change = RoleChange(role="admin")
            (await self.participants.change_role(owner, id, UserId(each.user_id), change)).unwrap()
        return id

    async def add(self, adder: Actor, conversation: ConversationId, added: Actor, role: str = "member") -> None:
        new = NewParticipant(user_id=added.user_id, role=role)
        (await self.participants.add(adder, conversation, new)).unwrap()

    async def remove(self, remover: Actor, conversation: ConversationId, removed: Actor) -> None:
        (await self.participants.remove(remover, conversation, UserId(removed.user_id))).unwrap()

    async def leave(self, who: Actor, conversation: ConversationId) -> None:
        (await self.participants.leave(who, conversation)).unwrap()

    async def say(
        self,
        sender: Actor,
        conversation: ConversationId,
        content: str = "hello",
        *,
        client_id: UUID | None = None,
        parent: MessageId | None = None,
    ) -> MessageView:
        new = NewMessage(client_id=client_id or uuid4(), content=content, parent_id=parent)
        return (await self.messages.post(sender, conversation, new)).unwrap().message

    async def edit(self, editor: Actor, message: MessageView, content: str) -> ServiceResult[MessageView]:
        return await self.editing.edit(editor, message.conversation_id, message.id, NewContent(content=content))

    async def delete(self, deleter: Actor, message: MessageView) -> ServiceResult[None]:
        return await self.editing.delete(deleter, message.conversation_id, message.id)

    async def react(self, who: Actor, message: MessageView, emoji: str) -> ServiceResult[tuple[Reacted, bool]]:
        return await self.reactions.add(who, message.conversation_id, message.id, NewReaction(emoji=emoji))

    async def events(self, reader: Actor, conversation: ConversationId, after: int = 0) -> list[dict[str, Any]]:
        """The resume feed from there to its end."""
        found: list[dict[str, Any]] = []
        while True:
            at = found[-1]["seq"] if found else after
            page = (await self.messages.events(reader, conversation, at, PageRequest(limit=100))).unwrap()
            items = msgspec.json.decode(page)["items"]
            if not items:
                return found
            found += items

    async def read(self, reader: Actor, conversation: ConversationId, seq: int) -> None:
        (await self.reading.read(reader, conversation, SeqMarker(seq=seq))).unwrap()

    async def page(
        self, reader: Actor, conversation: ConversationId, span: Span, page: PageRequest
    ) -> Page[MessageView]:
        found = (await self.messages.page(reader, conversation, span, page)).unwrap()
        return msgspec.json.decode(found, type=Page[MessageView])

    async def history(self, reader: Actor, conversation: ConversationId) -> list[MessageView]:
        """All of it, the oldest first."""
        found: list[MessageView] = []
        while True:
            after = Span(Direction.NEWER, found[-1].seq if found else 0)
            page = await self.page(reader, conversation, after, PageRequest(limit=100))
            found += page.items
            if page.next_cursor is None:
                return found

    async def told(self, reader: Actor, conversation: ConversationId) -> list[str]:
        """The system's events, the oldest first."""
        return [each.system.event for each in await self.history(reader, conversation) if each.system is not None]

    async def view(self, reader: Actor, conversation: ConversationId) -> ConversationView:
        return (await self.conversations.get(reader, conversation)).unwrap()

    async def roles(self, reader: Actor, conversation: ConversationId) -> dict[UUID, str]:
        page = (await self.participants.page(reader, conversation, PageRequest(limit=100))).unwrap()
        return {each.user_id: each.role for each in page.items}

    async def unread(self, reader: Actor) -> dict[UUID, tuple[int, int]]:
        """Per conversation the unread messages and mentions; what is read is absent."""
        summary = (await self.reading.summary(reader)).unwrap()
        assert summary.unread == sum(each.unread for each in summary.conversations)
        assert summary.mentions == sum(each.mentions for each in summary.conversations)
        return {each.conversation_id: (each.unread, each.mentions) for each in summary.conversations}


def code_of(result: ServiceResult[object]) -> str:
    """Of a refusal; empty for a success."""
    return result.error.code if isinstance(result, Failure) else ""
