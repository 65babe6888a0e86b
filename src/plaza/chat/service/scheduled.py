"""Messages that are sent later, by the worker. Each is sent once: its id is the client_id of what is sent."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from plaza.chat.errors import (
    Blocked,
    ContentTooLong,
    EmptyContent,
    InvalidSendTime,
    ScheduledNotFound,
    TooManyScheduled,
)
from plaza.chat.frames import Sync
from plaza.chat.models import ScheduledMessage, ScheduledState
from plaza.chat.repository.marks import ScheduledRepository
from plaza.chat.schemas import ChatSettings, MessageDraft
from plaza.chat.schemas.marks import NewScheduled, ScheduledView, SendScheduled
from plaza.chat.service.access import ENTRANCE, Entrance
from plaza.chat.service.announcing import Announcer
from plaza.chat.service.messages import MessageService, unfit
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor, PermissionDenied, RateLimited
from plaza.core.ids import uuid7
from plaza.core.realtime import Hub
from plaza.core.result import DomainError, Failure, ServiceResult, failure, success
from plaza.core.service import Service, command, query
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId
from plaza.identity import ProfileService

_LATEST = timedelta(days=366)


class ScheduledService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        cursors: Cursors,
        hub: Hub,
        profiles: ProfileService,
        messages: MessageService,
        settings: ChatSettings,
    ) -> None:
        super().__init__(db)
        self.profiles = profiles
        self.clock, self.cursors, self.messages, self.settings = clock, cursors, messages, settings
        self.scheduled, self.entrance, self.announcer = ScheduledRepository(db), Entrance(db), Announcer(db, hub)

    @command(*ENTRANCE, EmptyContent, ContentTooLong, Blocked, InvalidSendTime, TooManyScheduled)
    async def schedule(self, actor: Actor, new: NewScheduled) -> ServiceResult[ScheduledView]:
        """Whether it may be said is asked now and once more when it is sent."""
        user_id, conversation_id, now = UserId(actor.user_id), ConversationId(new.conversation_id), self.clock.now()
        conversation, _ = await self.entrance.lock(actor, conversation_id)
        id = uuid7()
        draft = MessageDraft(sender_id=user_id, conversation_id=conversation_id, client_id=id, content=new.content)
        if (refused := unfit(draft)) is not None:
            return failure(refused)
        await self.entrance.must_not_be_parted(conversation)
        if new.send_at.tzinfo is None or not now < new.send_at <= now + _LATEST:
            return failure(InvalidSendTime())
        if await self.scheduled.count_waiting(user_id) >= self.settings.max_scheduled:
            return failure(TooManyScheduled())
        row = self.scheduled.add(
            ScheduledMessage(
                id=id,
                user_id=user_id,
                conversation_id=conversation_id,
                content=new.content,
                send_at=new.send_at,
                created_at=now,
            )
        )
        await self.db.session.flush()
        self.db.enqueue(SendScheduled(scheduled_id=id), at=new.send_at)
        self.announcer.to_users([user_id], Sync(what="scheduled"))
        return success(ScheduledView(**{name: getattr(row, name) for name in ScheduledView.__struct_fields__}))

    @command(ScheduledNotFound)
    async def cancel(self, actor: Actor, id: UUID) -> ServiceResult[None]:
        """Takes one from the list: one that waits, or one that could not be sent."""
        row = await self.scheduled.lock(id)
        listed = ScheduledState.WAITING, ScheduledState.FAILED
        if row is None or row.user_id != actor.user_id or row.state not in listed:
            return failure(ScheduledNotFound())
        row.cancel()
        self.announcer.to_users([actor.user_id], Sync(what="scheduled"))
        return success(None)

    @query(InvalidCursor)
    async def page(self, actor: Actor, page: PageRequest) -> ServiceResult[Page[ScheduledView]]:
        """Those that wait, and those that could not be sent, the next one first."""
        list_name = f"chat.scheduled:{actor.user_id}"
        after = None if page.cursor is None else self.cursors.read(list_name, page.cursor, tuple[datetime, UUID])
        found = await self.scheduled.page(actor.user_id, after, page.limit + 1)
        shown = list(found[: page.limit])
        more = (shown[-1].send_at, shown[-1].id) if len(found) > page.limit else None
        return success(Page(items=shown, next_cursor=None if more is None else self.cursors.write(list_name, more)))

    @command()
    async def send(self, id: UUID) -> ServiceResult[None]:
        """What only has to wait, in slow mode or for the flood limit, goes out later, after as many waits as it takes.

        Closed accounts send nothing. The row is locked until the message is in the log: what was cancelled never gets there, and what
        is on its way there cannot be cancelled.
        """
        row = await self.scheduled.lock(id)
        if row is None or row.state is not ScheduledState.WAITING:
            return success(None)  # cancelled, or out already
        refused = await self._refusal(row)
        if refused is not None and refused.retry_after is not None:
            # A job of its own for each wait: the tries of one are counted.
            self.db.enqueue(
                SendScheduled(scheduled_id=id), at=self.clock.now() + timedelta(seconds=refused.retry_after)
            )
            return success(None)
        if refused is None:
            row.send()
        else:
            row.fail(refused.code)
        self.announcer.to_users([row.user_id], Sync(what="scheduled"))
        return success(None)

    async def _refusal(self, row: ScheduledMessage) -> DomainError | None:
        """Why it is not in the log now."""
        if isinstance(await self.profiles.card(Actor(user_id=row.user_id), row.user_id), Failure):
            return PermissionDenied()
        try:
            self.messages.count(row.user_id)
        except RateLimited as flood:
            return flood
        draft = MessageDraft(
            sender_id=row.user_id, conversation_id=row.conversation_id, client_id=row.id, content=row.content
        )
        sent = await self.db.attempt(self.messages.send(draft))
        return sent.error if isinstance(sent, Failure) else None
