"""Reports: what people ask staff to look at, and what staff do about it.

What was done stands in the audit log, in the transaction that does it.
"""

from __future__ import annotations

from uuid import UUID

from plaza.audit import AuditEntry, AuditService
from plaza.chat.errors import (
    AlreadyDeleted,
    MessageNotFound,
    NotParticipant,
    ReportNotFound,
    SameUser,
    SystemMessage,
)
from plaza.chat.models import Message, Report, ReportState
from plaza.chat.repository import ChangeRepository, ConversationRepository, ParticipantRepository, ReportRepository
from plaza.chat.repository.reports import NewRow
from plaza.chat.schemas import ChatSettings
from plaza.chat.schemas.reports import NewReport, ReportAction, ReportReceipt, ReportView, Resolution
from plaza.chat.service.access import must_be_text
from plaza.chat.service.announcing import Journal
from plaza.chat.service.editing import bury
from plaza.chat.service.views import Names
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor, InvalidTransition, RateLimited, ValidationFailed
from plaza.core.ids import uuid7
from plaza.core.ratelimit import RateLimits
from plaza.core.realtime import Hub
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, flow
from plaza.domain_events.identity import UserId
from plaza.identity import BanInput, ProfileService, StaffService, UserNotFound

_CURSOR = "chat.reports"
_BAN_REASON = 500


class ReportService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        cursors: Cursors,
        hub: Hub,
        limits: RateLimits,
        profiles: ProfileService,
        staff: StaffService,
        audit: AuditService,
        settings: ChatSettings,
    ) -> None:
        super().__init__(db)
        self.clock, self.cursors, self.limits, self.settings = clock, cursors, limits, settings
        self.reports, self.changes = ReportRepository(db), ChangeRepository(db)
        self.conversations, self.participants = ConversationRepository(db), ParticipantRepository(db)
        self.names, self.staff, self.audit = Names(profiles), staff, audit
        self.journal = Journal(db, clock, hub)

    @command(ValidationFailed, MessageNotFound, NotParticipant, SystemMessage, AlreadyDeleted, UserNotFound, SameUser)
    async def create(self, actor: Actor, new: NewReport) -> ServiceResult[tuple[ReportReceipt, bool]]:
        """And whether it is new: an open one of the same person about the same stays the only one. Nobody else is told."""
        if (new.message_id is None) == (new.user_id is None):
            return failure(ValidationFailed("Give one of message_id and user_id."))
        if not new.reason.strip():
            return failure(ValidationFailed(errors={"reason": ["must not be blank"]}))
        message = None if new.message_id is None else await self._message(actor, new.message_id)
        reported_id = message.sender_id if message is not None else new.user_id
        if message is None and reported_id not in await self.names.cards([UUID(str(new.user_id))]):
            return failure(UserNotFound())
        if reported_id == actor.user_id:
            return failure(SameUser())
        row = NewRow(
            id=uuid7(),
            reporter_id=UserId(actor.user_id),
            reported_id=None if reported_id is None else UserId(reported_id),
            conversation_id=None if message is None else message.conversation_id,
            message_id=None if message is None else message.id,
            content=None if message is None else message.content,
            reason=new.reason,
            created_at=self.clock.now(),
        )
        report, is_new = await self.reports.put(row)
        return success((ReportReceipt(id=report.id, state=report.state, created_at=report.created_at), is_new))

    @flow(create, RateLimited)
    async def report(self, actor: Actor, new: NewReport) -> ServiceResult[tuple[ReportReceipt, bool]]:
        """`create` for a person, who may not fill the queue."""
        self.limits.count("chat.report", actor.user_id, self.settings.reporting)
        return await self.create(actor, new)

    @command(InvalidCursor)
    async def queue(self, state: ReportState, page: PageRequest) -> ServiceResult[Page[ReportView]]:
        """The oldest first. Who may look is the route's to say."""
        list_name = f"{_CURSOR}:{state}"
        after = None if page.cursor is None else self.cursors.read(list_name, page.cursor, UUID)
        found = await self.reports.page(state, after, page.limit + 1)
        shown = found[: page.limit]
        next_cursor = self.cursors.write(list_name, shown[-1].id) if len(found) > page.limit else None
        return success(Page(items=[_view(each) for each in shown], next_cursor=next_cursor))

    @command(ReportNotFound, InvalidTransition, ValidationFailed, StaffService.ban)
    async def resolve(self, actor: Actor, report_id: UUID, given: Resolution) -> ServiceResult[ReportView]:
        """`ban` needs the right to ban as well. A message that is gone already counts as deleted."""
        found = await self.reports.get(report_id)
        if found is None:
            return failure(ReportNotFound())
        if found.conversation_id is not None:
            await self.conversations.lock(found.conversation_id, deleted=True)  # before the report, as everywhere
        report = await self.reports.lock(report_id)
        assert report is not None, "reports stay"
        report.resolve(UserId(actor.user_id), self.clock.now(), given.action)
        match given.action:
            case ReportAction.DELETE_MESSAGE:
                await self._delete_message(report)
            case ReportAction.BAN:
                await self._ban(actor, report)
        await self.db.session.flush()
        entry = AuditEntry(
            action="chat.report_resolved",
            subject_type="report",
            subject_id=str(report.id),
            actor=actor,
            user_id=report.reported_id,
            before={"state": ReportState.OPEN.value},
            after={
                "state": report.state.value,
                "action": given.action.value,
                "message_id": None if report.message_id is None else str(report.message_id),
            },
        )
        (await self.audit.record(entry)).unwrap()
        return success(_view(report))

    async def _message(self, actor: Actor, message_id: UUID) -> Message:
        """Raises MessageNotFound for strangers, NotParticipant, SystemMessage, AlreadyDeleted."""
        message = await self.reports.message(message_id)
        if message is None:
            raise MessageNotFound
        standing = await self.participants.standing(message.conversation_id, actor.user_id)
        if standing is None or standing.is_deleted:
            raise MessageNotFound
        if not standing.is_live:
            raise NotParticipant
        must_be_text(message)
        return message

    async def _delete_message(self, report: Report) -> None:
        if report.message_id is None or report.conversation_id is None:
            raise ValidationFailed(errors={"action": ["this report is not about a message"]})
        conversation = await self.conversations.get(report.conversation_id, deleted=True)
        message = await self.changes.message(report.conversation_id, report.message_id)
        assert conversation is not None, "a conversation takes its reports along"
        if message is not None and message.deleted_at is None:
            await bury(self.changes, self.journal, conversation, message, self.clock.now())

    async def _ban(self, actor: Actor, report: Report) -> None:
        if report.reported_id is None:
            raise ValidationFailed(errors={"action": ["there is nobody to ban any more"]})
        (await self.staff.ban(actor, report.reported_id, BanInput(reason=report.reason[:_BAN_REASON]))).unwrap()


def _view(report: Report) -> ReportView:
    return ReportView(**{name: getattr(report, name) for name in ReportView.__struct_fields__})
