"""Messages after they were sent: edited by their authors, deleted by them or by whoever runs the group."""

from __future__ import annotations

from datetime import datetime, timedelta

from plaza.chat.errors import (
    AlreadyDeleted,
    Blocked,
    ContentTooLong,
    EditTimeExpired,
    EmptyContent,
    MaxEditsReached,
    MessageNotFound,
    NotAuthor,
    SystemMessage,
)
from plaza.chat.models import ChangeKind, Conversation, Kind, Message, MessageEdit, Participant, Role
from plaza.chat.repository import ChangeRepository, ParticipantRepository
from plaza.chat.schemas import ChatSettings, EarlierContent, MessageDraft, MessageView, NewContent
from plaza.chat.service.access import ENTRANCE, Entrance, must_be_text
from plaza.chat.service.announcing import Journal, body_of
from plaza.chat.service.messages import unfit
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor, PermissionDenied
from plaza.core.realtime import Hub
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, command, query
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import UserId


class EditingService(Service):
    def __init__(self, db: Database, clock: Clock, cursors: Cursors, hub: Hub, settings: ChatSettings) -> None:
        super().__init__(db)
        self.clock, self.cursors, self.settings = clock, cursors, settings
        self.changes, self.participants = ChangeRepository(db), ParticipantRepository(db)
        self.entrance, self.journal = Entrance(db), Journal(db, clock, hub)

    @command(
        *ENTRANCE,
        MessageNotFound,
        NotAuthor,
        SystemMessage,
        AlreadyDeleted,
        Blocked,
        EditTimeExpired,
        MaxEditsReached,
        EmptyContent,
        ContentTooLong,
    )
    async def edit(
        self, actor: Actor, conversation_id: ConversationId, message_id: MessageId, new: NewContent
    ) -> ServiceResult[MessageView]:
        """By its author, for a while and a few times. Saying the same again changes nothing."""
        conversation, me, message = await self.entrance.lock_message(actor, conversation_id, message_id)
        must_be_text(message)
        if message.sender_id != actor.user_id:
            raise NotAuthor
        await self.entrance.must_not_be_parted(conversation)
        now = self.clock.now()
        if now > message.created_at + timedelta(seconds=self.settings.edit_window_s):
            raise EditTimeExpired
        draft = MessageDraft(
            sender_id=me.user_id, conversation_id=conversation_id, client_id=message_id, content=new.content
        )
        if (refused := unfit(draft)) is not None:
            raise refused
        if message.content != new.content:
            if message.edit_count >= self.settings.max_edits:
                raise MaxEditsReached
            message.edit_count += 1
            self.db.session.add(
                MessageEdit(message_id=message_id, number=message.edit_count, content=message.content, created_at=now)
            )
            message.content, message.edited_at = new.content, now
            message.mentions = [*await self._mentioned(draft, me)]
            await self.db.session.flush()
            self.journal.change(conversation, ChangeKind.UPDATED, message)
        (view,) = await self.changes.seen_by(actor.user_id, [body_of(message)])
        return success(view)

    @command(*ENTRANCE, MessageNotFound, SystemMessage, AlreadyDeleted, PermissionDenied)
    async def delete(self, actor: Actor, conversation_id: ConversationId, message_id: MessageId) -> ServiceResult[None]:
        """By its author, in groups by owner and admins, too. A tombstone stays; what it said is gone, its earlier wordings as well."""
        conversation, me, message = await self.entrance.lock_message(actor, conversation_id, message_id)
        must_be_text(message)
        runs_it = conversation.kind == Kind.GROUP and me.role in (Role.OWNER, Role.ADMIN)
        if message.sender_id != actor.user_id and not runs_it:
            raise PermissionDenied
        await bury(self.changes, self.journal, conversation, message, self.clock.now())
        return success(None)

    @query(*ENTRANCE, MessageNotFound, InvalidCursor)
    async def history(
        self, actor: Actor, conversation_id: ConversationId, message_id: MessageId, page: PageRequest
    ) -> ServiceResult[Page[EarlierContent]]:
        """What it said before each of its edits, the first wording first."""
        await self.entrance.check(conversation_id, actor.user_id)
        if await self.changes.conversation_of(message_id) != conversation_id:
            raise MessageNotFound
        list_name = f"chat.history:{message_id}"
        after = 0 if page.cursor is None else self.cursors.read(list_name, page.cursor, int)
        found = await self.changes.earlier(message_id, after, page.limit + 1)
        shown = [
            EarlierContent(number=each.number, content=each.content, edited_at=each.created_at)
            for each in found[: page.limit]
        ]
        next_cursor = self.cursors.write(list_name, shown[-1].number) if len(found) > page.limit else None
        return success(Page(items=shown, next_cursor=next_cursor))

    async def _mentioned(self, draft: MessageDraft, me: Participant) -> list[UserId]:
        """As a new message would name them."""
        if not draft.mentioned and not draft.mentions_everybody:
            return []
        live = set(await self.participants.live_user_ids(draft.conversation_id))
        if draft.mentions_everybody and me.role in (Role.OWNER, Role.ADMIN):
            return sorted(live - {me.user_id})
        return sorted(live & {UserId(each) for each in draft.mentioned})


async def bury(
    changes: ChangeRepository, journal: Journal, conversation: Conversation, message: Message, now: datetime
) -> None:
    """A text becomes a tombstone. The conversation is locked."""
    await changes.forget(message.id)
    message.content, message.mentions, message.attachments, message.reactions = "", [], [], {}
    message.pinned, message.deleted_at = False, now
    await changes.db.session.flush()
    if message.parent_id is not None:
        await changes.count_reply(message.parent_id, -1)
    journal.change(conversation, ChangeKind.DELETED, message)
