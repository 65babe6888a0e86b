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
from plaza.core.result import Failure, ServiceResult, failure, success
from plaza.core.service import Service, command, flow, query
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

    @flow()
    async def send(self, id: UUID) -> ServiceResult[None]:
        """What only has to wait, in slow mode or for the flood limit, goes out later, after as many waits as it takes.

        Closed accounts send nothing.

        A repetition, after a death between sending and noting it, finds the message sent already.
        """
        draft = (await self._draft(id)).unwrap()
        if draft is None:
            return success(None)
        if isinstance(await self.profiles.card(Actor(user_id=draft.sender_id), draft.sender_id), Failure):
            return await self._end(id, PermissionDenied.code)
        try:
            self.messages.count(draft.sender_id)
        except RateLimited as flood:
            return await self._wait(id, timedelta(seconds=flood.retry_after or 1))
        sent = await self.messages.send(draft)
        if isinstance(sent, Failure) and sent.error.retry_after is not None:
            return await self._wait(id, timedelta(seconds=sent.error.retry_after))
        return await self._end(id, sent.error.code if isinstance(sent, Failure) else None)

    @query()
    async def _draft(self, id: UUID) -> ServiceResult[MessageDraft | None]:
        """None where it was cancelled, or is out already."""
        row = await self.scheduled.waiting(id)
        if row is None:
            return success(None)
        return success(
            MessageDraft(
                sender_id=row.user_id, conversation_id=row.conversation_id, client_id=row.id, content=row.content
            )
        )

    @command()
    async def _wait(self, id: UUID, pause: timedelta) -> ServiceResult[None]:
        """A job of its own for each wait: the tries of one are counted."""
        self.db.enqueue(SendScheduled(scheduled_id=id), at=self.clock.now() + pause)
        return success(None)

    @command()
    async def _end(self, id: UUID, problem: str | None) -> ServiceResult[None]:
        row = await self.scheduled.lock(id)
        if row is not None and row.state is ScheduledState.WAITING:
            if problem is None:
                row.send()
            else:
                row.fail(problem)
            self.announcer.to_users([row.user_id], Sync(what="scheduled"))
        return success(None)
