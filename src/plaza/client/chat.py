"""The calls of a chat app, by what they are about. Ids are given as UUIDs or as their text; lists come as asynchronous iterators.

What is a POST carries an Idempotency-Key, or the message's client_id, so that it is safe to send again; each raises PlazaErrors.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Literal
from urllib.parse import quote
from uuid import UUID, uuid4

from msgspec import UNSET, Raw, UnsetType

from plaza.client.codec import JSON, Unknown
from plaza.client.frames import Logged
from plaza.client.ids import Id, as_uuid
from plaza.client.models import (
    BlockView,
    ConversationView,
    DraftText,
    DraftView,
    EarlierContent,
    GroupChange,
    Has,
    InviteLinkView,
    InviteView,
    MessageView,
    Mute,
    NewBlock,
    NewContent,
    NewConversation,
    NewInviteLink,
    NewMessage,
    NewOwner,
    NewParticipant,
    NewReaction,
    NewReport,
    NewScheduled,
    NewStatus,
    ParticipantView,
    Posting,
    PresenceQuestion,
    PresenceView,
    Reacted,
    ReactionView,
    ReadState,
    ReceiptView,
    ReportReceipt,
    RoleChange,
    ScheduledView,
    SeqMarker,
    Status,
    Toggled,
    UnreadSummary,
)
from plaza.client.transport import Page, Transport

_CHAT = "/api/v1/chat"
_LISTS = f"{_CHAT}/conversations"


class Part:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._ask, self._pages = transport.ask, transport.pages


class Conversations(Part):
    def all(self) -> AsyncIterator[ConversationView]:
        """By last activity, the latest first."""
        return self._pages(_LISTS, ConversationView)

    async def get(self, conversation: Id) -> ConversationView:
        return await self._ask("GET", f"{_LISTS}/{conversation}", ConversationView)

    async def direct(self, user: Id) -> ConversationView:
        """The one there is, or a new one."""
        return await self._create(NewConversation(kind="direct", member_ids=[as_uuid(user)]))

    async def create_group(self, title: str, members: Sequence[Id] = ()) -> ConversationView:
        return await self._create(NewConversation(kind="group", title=title, member_ids=list(map(as_uuid, members))))

    async def _create(self, new: NewConversation) -> ConversationView:
        return await self._ask("POST", _LISTS, ConversationView, body=new)

    async def change(
        self,
        conversation: Id,
        *,
        title: str | UnsetType = UNSET,
        slow_mode_s: int | UnsetType = UNSET,
        posting: Posting | UnsetType = UNSET,
    ) -> ConversationView:
        change = GroupChange(title=title, slow_mode_s=slow_mode_s, posting=posting)
        return await self._ask("PATCH", f"{_LISTS}/{conversation}", ConversationView, body=change)

    async def delete(self, conversation: Id) -> None:
        await self._ask("DELETE", f"{_LISTS}/{conversation}", type(None))

    async def leave(self, conversation: Id) -> None:
        await self._ask("POST", f"{_LISTS}/{conversation}/leave", type(None))

    async def transfer_ownership(self, conversation: Id, user: Id) -> ConversationView:
        body = NewOwner(user_id=as_uuid(user))
        return await self._ask("POST", f"{_LISTS}/{conversation}/transfer-ownership", ConversationView, body=body)

    async def mute(
        self, conversation: Id, until: datetime | None = None, *, notifications: Literal["mentions", "none"] = "none"
    ) -> ConversationView:
        """Without `until` for good. `notifications`: whether mentions still reach one."""
        body = Mute(until=until, notifications=notifications)
        return await self._ask("POST", f"{_LISTS}/{conversation}/mute", ConversationView, body=body)

    async def unmute(self, conversation: Id) -> ConversationView:
        return await self._ask("POST", f"{_LISTS}/{conversation}/unmute", ConversationView)

    async def archive(self, conversation: Id) -> ConversationView:
        return await self._ask("POST", f"{_LISTS}/{conversation}/archive", ConversationView)

    async def unarchive(self, conversation: Id) -> ConversationView:
        return await self._ask("POST", f"{_LISTS}/{conversation}/unarchive", ConversationView)

    async def mark_read(self, conversation: Id, seq: int) -> ReadState:
        """Up to there; the marker only rises."""
        return await self._ask("POST", f"{_LISTS}/{conversation}/read", ReadState, body=SeqMarker(seq=seq))

    async def mark_unread(self, conversation: Id, seq: int) -> ReadState:
        """Sets the marker back."""
        return await self._ask("POST", f"{_LISTS}/{conversation}/unread", ReadState, body=SeqMarker(seq=seq))

    async def unread(self) -> UnreadSummary:
        return await self._ask("GET", f"{_CHAT}/unread", UnreadSummary)

    async def presence(self, conversation: Id) -> list[PresenceView]:
        """Of everybody in it."""
        return (await self._ask("GET", f"{_LISTS}/{conversation}/presence", Page[PresenceView])).items


class Participants(Part):
    def all(self, conversation: Id) -> AsyncIterator[ParticipantView]:
        return self._pages(f"{_LISTS}/{conversation}/participants", ParticipantView)

    async def add(self, conversation: Id, user: Id, role: str = "member") -> ParticipantView:
        """`joined_at` is None of somebody who is asked first."""
        body = NewParticipant(user_id=as_uuid(user), role=role)
        return await self._ask("POST", f"{_LISTS}/{conversation}/participants", ParticipantView, body=body)

    async def change_role(self, conversation: Id, user: Id, role: str) -> ParticipantView:
        path = f"{_LISTS}/{conversation}/participants/{user}"
        return await self._ask("PATCH", path, ParticipantView, body=RoleChange(role=role))

    async def remove(self, conversation: Id, user: Id) -> None:
        await self._ask("DELETE", f"{_LISTS}/{conversation}/participants/{user}", type(None))

    def links(self, conversation: Id) -> AsyncIterator[InviteLinkView]:
        return self._pages(f"{_LISTS}/{conversation}/invite-links", InviteLinkView)

    async def create_link(
        self,
        conversation: Id,
        *,
        role: str = "member",
        expires_at: datetime | None = None,
        max_uses: int | None = None,
    ) -> InviteLinkView:
        body = NewInviteLink(role=role, expires_at=expires_at, max_uses=max_uses)
        return await self._ask("POST", f"{_LISTS}/{conversation}/invite-links", InviteLinkView, body=body)

    async def revoke_link(self, conversation: Id, code: str) -> None:
        await self._ask("DELETE", f"{_LISTS}/{conversation}/invite-links/{quote(code, safe='')}", type(None))

    async def join(self, code: str) -> ConversationView:
        return await self._ask("POST", f"{_CHAT}/invite-links/{quote(code, safe='')}/join", ConversationView)

    def invites(self) -> AsyncIterator[InviteView]:
        """To groups that wait for this person's answer."""
        return self._pages(f"{_CHAT}/invites", InviteView)

    async def accept(self, conversation: Id) -> ConversationView:
        return await self._ask("POST", f"{_CHAT}/invites/{conversation}/accept", ConversationView)

    async def decline(self, conversation: Id) -> None:
        await self._ask("POST", f"{_CHAT}/invites/{conversation}/decline", type(None))


class Messages(Part):
    async def send(
        self, conversation: Id, content: str, *, client_id: UUID | None = None, parent: Id | None = None
    ) -> MessageView:
        """`client_id` names the message for ever: sent with it again, it is the first one that comes back."""
        parent_id = None if parent is None else as_uuid(parent)
        body = NewMessage(client_id=client_id or uuid4(), content=content, parent_id=parent_id)
        return await self._ask("POST", _messages(conversation), MessageView, body=body, keyed=False)

    async def get(self, conversation: Id, message: Id) -> MessageView:
        return await self._ask("GET", _messages(conversation, message), MessageView)

    async def edit(self, conversation: Id, message: Id, content: str) -> MessageView:
        return await self._ask("PATCH", _messages(conversation, message), MessageView, body=NewContent(content=content))

    async def delete(self, conversation: Id, message: Id) -> None:
        await self._ask("DELETE", _messages(conversation, message), type(None))

    def before(self, conversation: Id, seq: int | None = None) -> AsyncIterator[MessageView]:
        """The newest first, without `seq` from the end."""
        return self._pages(_messages(conversation), MessageView, {"before_seq": seq})

    def after(self, conversation: Id, seq: int = 0) -> AsyncIterator[MessageView]:
        """The oldest first."""
        return self._pages(_messages(conversation), MessageView, {"after_seq": seq})

    async def around(self, conversation: Id, seq: int, limit: int = 50) -> list[MessageView]:
        """The newest first, `seq` in the middle."""
        query = {"around_seq": seq, "limit": limit}
        return (await self._ask("GET", _messages(conversation), Page[MessageView], query=query)).items

    async def events(self, conversation: Id, after_seq: int = 0) -> AsyncIterator[Logged | Unknown]:
        """The log: what a line told, or would have."""
        path = f"{_LISTS}/{conversation}/events"
        async for entry in self._pages(path, Raw, {"after_seq": after_seq}):
            yield JSON.read_entry(entry)

    def replies(self, conversation: Id, message: Id) -> AsyncIterator[MessageView]:
        return self._pages(f"{_messages(conversation, message)}/replies", MessageView)

    def edits(self, conversation: Id, message: Id) -> AsyncIterator[EarlierContent]:
        return self._pages(f"{_messages(conversation, message)}/history", EarlierContent)

    def receipts(self, conversation: Id, message: Id) -> AsyncIterator[ReceiptView]:
        return self._pages(f"{_messages(conversation, message)}/receipts", ReceiptView)

    def search(
        self,
        text: str,
        *,
        conversation: Id | None = None,
        sender: Id | None = None,
        before: datetime | None = None,
        after: datetime | None = None,
        has: Has | None = None,
    ) -> AsyncIterator[MessageView]:
        query = {
            "q": text,
            "conversation_id": conversation,
            "from": sender,
            "before": before,
            "after": after,
            "has": has,
        }
        return self._pages(f"{_CHAT}/messages/search", MessageView, query)

    async def react(self, conversation: Id, message: Id, emoji: str) -> Reacted:
        path = f"{_messages(conversation, message)}/reactions"
        return await self._ask("POST", path, Reacted, body=NewReaction(emoji=emoji))

    async def unreact(self, conversation: Id, message: Id, emoji: str) -> None:
        path = f"{_messages(conversation, message)}/reactions/{quote(emoji, safe='')}"
        await self._ask("DELETE", path, type(None))

    async def toggle(self, conversation: Id, message: Id, emoji: str) -> Toggled:
        path = f"{_messages(conversation, message)}/reactions/toggle"
        return await self._ask("POST", path, Toggled, body=NewReaction(emoji=emoji))

    def reactions(self, conversation: Id, message: Id) -> AsyncIterator[ReactionView]:
        return self._pages(f"{_messages(conversation, message)}/reactions", ReactionView)

    async def pin(self, conversation: Id, message: Id) -> None:
        await self._ask("POST", f"{_messages(conversation, message)}/pin", type(None))

    async def unpin(self, conversation: Id, message: Id) -> None:
        await self._ask("DELETE", f"{_messages(conversation, message)}/pin", type(None))

    def pins(self, conversation: Id) -> AsyncIterator[MessageView]:
        return self._pages(f"{_LISTS}/{conversation}/pins", MessageView)

    async def save(self, conversation: Id, message: Id) -> None:
        await self._ask("POST", f"{_messages(conversation, message)}/save", type(None))

    async def unsave(self, conversation: Id, message: Id) -> None:
        await self._ask("DELETE", f"{_messages(conversation, message)}/save", type(None))

    def saved(self) -> AsyncIterator[MessageView]:
        return self._pages(f"{_CHAT}/saved", MessageView)

    async def report(self, message: Id, reason: str) -> ReportReceipt:
        body = NewReport(message_id=as_uuid(message), reason=reason)
        return await self._ask("POST", f"{_CHAT}/reports", ReportReceipt, body=body)


class Outgoing(Part):
    """What is not sent yet: drafts, and messages with a time."""

    def drafts(self) -> AsyncIterator[DraftView]:
        return self._pages(f"{_CHAT}/drafts", DraftView)

    async def keep_draft(self, conversation: Id, content: str) -> DraftView:
        return await self._ask("PUT", f"{_CHAT}/drafts/{conversation}", DraftView, body=DraftText(content=content))

    async def drop_draft(self, conversation: Id) -> None:
        await self._ask("DELETE", f"{_CHAT}/drafts/{conversation}", type(None))

    def scheduled(self) -> AsyncIterator[ScheduledView]:
        return self._pages(f"{_CHAT}/scheduled", ScheduledView)

    async def schedule(self, conversation: Id, content: str, send_at: datetime) -> ScheduledView:
        body = NewScheduled(conversation_id=as_uuid(conversation), content=content, send_at=send_at)
        return await self._ask("POST", f"{_CHAT}/scheduled", ScheduledView, body=body)

    async def cancel(self, scheduled: Id) -> None:
        await self._ask("DELETE", f"{_CHAT}/scheduled/{scheduled}", type(None))


class People(Part):
    """Who is there, and who is not to write."""

    async def show_as(self, status: Status) -> PresenceView:
        return await self._ask("POST", f"{_CHAT}/presence", PresenceView, body=NewStatus(status=status))

    async def heartbeat(self) -> PresenceView:
        """For apps without a line: a minute more of being there."""
        return await self._ask("POST", f"{_CHAT}/presence/heartbeat", PresenceView)

    async def presence(self, *users: Id) -> list[PresenceView]:
        body = PresenceQuestion(user_ids=list(map(as_uuid, users)))
        return (await self._ask("POST", f"{_CHAT}/presence/bulk", Page[PresenceView], body=body)).items

    def blocked(self) -> AsyncIterator[BlockView]:
        return self._pages(f"{_CHAT}/blocks", BlockView)

    async def block(self, user: Id) -> BlockView:
        return await self._ask("POST", f"{_CHAT}/blocks", BlockView, body=NewBlock(user_id=as_uuid(user)))

    async def unblock(self, user: Id) -> None:
        await self._ask("DELETE", f"{_CHAT}/blocks/{user}", type(None))

    async def report(self, user: Id, reason: str) -> ReportReceipt:
        body = NewReport(user_id=as_uuid(user), reason=reason)
        return await self._ask("POST", f"{_CHAT}/reports", ReportReceipt, body=body)


def _messages(conversation: Id, message: Id | None = None) -> str:
    return f"{_LISTS}/{conversation}/messages" + (f"/{message}" if message is not None else "")


def asas_uuid(id: Id) -> UUID:
    return id if isinstance(id, UUID) else UUID(id)
