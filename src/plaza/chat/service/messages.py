"""Messages: sending, which is grouped because it is the most frequent write of all, and reading them back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

import msgspec

from plaza.chat.errors import (
    AttachmentsUnavailable,
    Blocked,
    ContentTooLong,
    ConversationNotFound,
    EmptyContent,
    InvalidParent,
    MessageNotFound,
    SlowMode,
)
from plaza.chat.repository import (
    ChangeRepository,
    ConversationRepository,
    HistoryRepository,
    MessageRepository,
    Obstacles,
    ParticipantRepository,
    Standing,
)
from plaza.chat.schemas import (
    MAX_CONTENT,
    ChatSettings,
    Direction,
    MessageBody,
    MessageDraft,
    MessageView,
    NewMessage,
    SentMessage,
    Span,
)
from plaza.chat.service.access import ENTRANCE, Entrance, admit, refusal
from plaza.chat.service.announcing import Announcer
from plaza.chat.service.log import entry
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Cursors, Database, PageRequest
from plaza.core.errors import InvalidCursor, PermissionDenied, RateLimited
from plaza.core.grouping import grouped
from plaza.core.ids import uuid7
from plaza.core.ratelimit import RateLimits
from plaza.core.realtime import Hub
from plaza.core.result import DomainError, ServiceResult, failure, success
from plaza.core.service import Service, flow, query
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import UserId


class MessageService(Service):
    def __init__(
        self, db: Database, clock: Clock, cursors: Cursors, hub: Hub, limits: RateLimits, settings: ChatSettings
    ) -> None:
        super().__init__(db)
        self.clock, self.cursors, self.limits, self.settings = clock, cursors, limits, settings
        self.conversations, self.participants = ConversationRepository(db), ParticipantRepository(db)
        self.messages, self.history, self.changes = MessageRepository(db), HistoryRepository(db), ChangeRepository(db)
        self.entrance, self.announcer = Entrance(db), Announcer(db, hub)

    @grouped(
        *ENTRANCE,
        EmptyContent,
        ContentTooLong,
        AttachmentsUnavailable,
        Blocked,
        PermissionDenied,
        InvalidParent,
        SlowMode,
    )
    async def send(self, drafts: Sequence[MessageDraft]) -> Sequence[ServiceResult[SentMessage]]:
        """Refused drafts take no seq. The same (sender_id, client_id) gives the first message back, whatever else the draft says.

        The sender's marker stays where it is; how much is unread for whom is derived when somebody asks.
        """
        fit = {MessageId(uuid7()): n for n, draft in enumerate(drafts) if unfit(draft) is None}
        written = await self._write({made: drafts[n] for made, n in fit.items()})
        results: dict[int, ServiceResult[SentMessage]] = {
            fit[message.id]: success(SentMessage(message=MessageView.of(message), is_new=True)) for message in written
        }
        if len(results) < len(drafts):
            numbers = {message.id: fit[message.id] for message in written}
            results |= await self._explain({n: each for n, each in enumerate(drafts) if n not in results}, numbers)
        return [results[n] for n in range(len(drafts))]

    @query(*ENTRANCE, MessageNotFound)
    async def get(
        self, actor: Actor, conversation_id: ConversationId, message_id: MessageId
    ) -> ServiceResult[MessageView]:
        await self.entrance.check(conversation_id, actor.user_id)
        message = await self.messages.one(conversation_id, message_id)
        if message is None:
            return failure(MessageNotFound())
        (view,) = await self.changes.seen_by(actor.user_id, [message])
        return success(view)

    @flow(send, get, RateLimited)
    async def post(
        self, actor: Actor, conversation_id: ConversationId, message: NewMessage
    ) -> ServiceResult[SentMessage]:
        """`send` for a person, who may not flood. Nothing is awaited before the draft is in its lane, so that order is kept."""
        self.count(UserId(actor.user_id))
        draft = MessageDraft(
            sender_id=UserId(actor.user_id),
            conversation_id=conversation_id,
            client_id=message.client_id,
            content=message.content,
            parent_id=None if message.parent_id is None else MessageId(message.parent_id),
            has_attachments=bool(message.attachments),
        )
        sent = (await self.send(draft)).unwrap()
        if sent.is_new:
            return success(sent)
        first = sent.message  # as it has become since, in the conversation that it was sent to
        view = (await self.get(actor, first.conversation_id, first.id)).unwrap()
        return success(SentMessage(message=view, is_new=False))

    def count(self, sender_id: UserId) -> None:
        """Raises RateLimited where it would be a flood. What people send, and what they have sent later, count together."""
        self.limits.count("chat.flood", sender_id, self.settings.flood)

    @query(*ENTRANCE, InvalidCursor)
    async def page(
        self, actor: Actor, conversation_id: ConversationId, span: Span, page: PageRequest
    ) -> ServiceResult[msgspec.Raw]:
        """A `Page[MessageView]` in JSON. A cursor goes on in the direction in which its page was read, whatever `span` says."""
        list_name = f"chat.messages:{conversation_id}"
        if page.cursor is not None:
            span = Span(*self.cursors.read(list_name, page.cursor, tuple[Direction, int]))
        found = await self.history.page(conversation_id, actor.user_id, span, page.limit)
        if found is None:
            raise ConversationNotFound
        admit(Standing(is_deleted=found.is_deleted, is_live=found.is_live))
        onwards = Direction.NEWER if span.direction is Direction.NEWER else Direction.OLDER
        next_cursor = self.cursors.write(list_name, (onwards, found.last_seq)) if found.has_more else None
        return success(_json_page(found.items.encode(), next_cursor))

    @query(*ENTRANCE, InvalidCursor)
    async def events(
        self, actor: Actor, conversation_id: ConversationId, after_seq: int, page: PageRequest
    ) -> ServiceResult[msgspec.Raw]:
        """The resume feed: every entry after a seq, oldest first, as the frames that sockets got; a page in JSON."""
        list_name = f"chat.events:{conversation_id}"
        if page.cursor is not None:
            after_seq = self.cursors.read(list_name, page.cursor, int)
        await self.entrance.check(conversation_id, actor.user_id)
        found = await self.messages.after(conversation_id, after_seq, page.limit + 1)
        shown = [entry(logged) for logged in found[: page.limit]]
        next_cursor = self.cursors.write(list_name, shown[-1].seq) if len(found) > page.limit else None
        return success(_json_page(b",".join(each.frame for each in shown), next_cursor))

    async def _write(self, drafts: Mapping[MessageId, MessageDraft]) -> Sequence[MessageBody]:
        if not drafts:
            return ()
        await self.messages.lock_conversations({draft.conversation_id for draft in drafts.values()})
        now = self.clock.now()
        written = [message for each in _without_repeats(drafts) for message in await self.messages.insert(each, now)]
        first = [message.conversation_id for message in written if message.seq == 1]
        if written:
            self.announcer.entries(written, await self.conversations.pairs(first) if first else {})
        return written

    async def _explain(
        self, drafts: Mapping[int, MessageDraft], written: Mapping[MessageId, int]
    ) -> dict[int, ServiceResult[SentMessage]]:
        """Why these were not written, by their numbers in the batch; `written` are the numbers of those that were."""
        sent = await self.messages.sent_before({(each.sender_id, each.client_id) for each in drafts.values()})
        standings = await self.participants.standings(
            {(each.conversation_id, each.sender_id) for each in drafts.values()}
        )
        obstacles = await self.messages.obstacles(drafts.values(), self.clock.now())
        results: dict[int, ServiceResult[SentMessage]] = {}
        for place, (n, draft) in enumerate(drafts.items()):
            first = sent.get((draft.sender_id, draft.client_id))
            if first is not None and written.get(first.id, -1) < n:
                results[n] = success(SentMessage(message=MessageView.of(first), is_new=False))
            else:
                refused = refusal(standings.get((draft.conversation_id, draft.sender_id))) or unfit(draft)
                results[n] = failure(refused or _hindrance(obstacles[place]))
        return results


def unfit(draft: MessageDraft) -> DomainError | None:
    """What is wrong with the draft itself, wherever it goes."""
    if not draft.content.strip():
        return EmptyContent()
    if len(draft.content) > MAX_CONTENT:
        return ContentTooLong()
    return AttachmentsUnavailable() if draft.has_attachments else None


def _hindrance(found: Obstacles) -> DomainError:
    """Of a draft that was not written, though its sender takes part and its text is fit."""
    if found.is_parted:
        return Blocked()
    if found.is_silent:
        return PermissionDenied()
    if not found.has_parent:
        return InvalidParent()
    return SlowMode(retry_after=max(1.0, found.pause_s or 0))


def _without_repeats(drafts: Mapping[MessageId, MessageDraft]) -> Iterator[Mapping[MessageId, MessageDraft]]:
    """Cut before each repetition of a client_id: whether that one may be written depends on what became of the first."""
    run, names = dict[MessageId, MessageDraft](), set[tuple[UserId, UUID]]()
    for made, draft in drafts.items():
        name = draft.sender_id, draft.client_id
        if name in names:
            yield run
            run, names = {}, set()
        run[made] = draft
        names.add(name)
    yield run


def _json_page(items: bytes, next_cursor: str | None) -> msgspec.Raw:
    return msgspec.Raw(b'{"items":[' + items + b'],"next_cursor":' + msgspec.json.encode(next_cursor) + b"}")
