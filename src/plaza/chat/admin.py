"""What staff see of chat, and what they do about reports."""

from __future__ import annotations

from typing import Any

from plaza.chat.models import Kind, ReportState
from plaza.chat.repository import CONVERSATIONS_FOR_STAFF
from plaza.chat.repository.reports import REPORTS_FOR_STAFF
from plaza.chat.schemas.permissions import CONVERSATIONS_READ, REPORTS_READ, REPORTS_RESOLVE
from plaza.chat.schemas.reports import ReportAction, ReportView, Resolution
from plaza.chat.service.reports import ReportService
from plaza.core.actor import Actor
from plaza.core.admin import Action, AdminView, Column
from plaza.core.result import ServiceResult


async def close(actor: Actor, row: Any, reports: ReportService) -> ServiceResult[ReportView]:
    return await reports.resolve(actor, row.id, Resolution(action=ReportAction.NONE))


async def delete_message(actor: Actor, row: Any, reports: ReportService) -> ServiceResult[ReportView]:
    return await reports.resolve(actor, row.id, Resolution(action=ReportAction.DELETE_MESSAGE))


async def ban(actor: Actor, row: Any, reports: ReportService) -> ServiceResult[ReportView]:
    return await reports.resolve(actor, row.id, Resolution(action=ReportAction.BAN))


def _is_open(row: Any) -> bool:
    return bool(row.state == ReportState.OPEN)


CONVERSATIONS = AdminView(
    name="conversations",
    title="Conversations",
    noun="conversation",
    group="Chat",
    icon="comments",
    note="That people talk, not what about.",
    permission=CONVERSATIONS_READ.name,
    rows=CONVERSATIONS_FOR_STAFF,
    columns=(
        Column("kind", choices=tuple(Kind)),
        Column("created_by", links_to="users"),
        Column("participant_count", "People"),
        Column("last_seq", "Messages"),
        Column("last_message_at", "Last message"),
        Column("created_at", "Created"),
        Column("deleted_at", "Deleted", listed=False),
    ),
)

REPORTS = AdminView(
    name="reports",
    title="Reports",
    noun="report",
    group="Chat",
    icon="flag",
    note="What people ask staff to look at, with a message as it stood when it was reported.",
    permission=REPORTS_READ.name,
    rows=REPORTS_FOR_STAFF,
    columns=(
        Column("state", choices=tuple(ReportState)),
        Column("reason"),
        Column("content", "Message"),
        Column("reported_id", "Of", links_to="users"),
        Column("reporter_id", "By", links_to="users"),
        Column("created_at", "Reported"),
        Column("action", "Done", choices=tuple(ReportAction)),
        Column("conversation_id", "Conversation", links_to="conversations", listed=False),
        Column("message_id", "Message id", listed=False),
        Column("resolved_by", "Resolved by", links_to="users", listed=False),
        Column("resolved_at", "Resolved", listed=False),
    ),
    actions=(
        Action(
            "close",
            "Close",
            close,
            permission=REPORTS_RESOLVE.name,
            asks="Nothing is done about it.",
            done="The report is closed.",
            when=_is_open,
        ),
        Action(
            "delete-message",
            "Delete the message",
            delete_message,
            permission=REPORTS_RESOLVE.name,
            asks="The message goes for everybody in the conversation, and the report is closed.",
            done="The message is deleted, and the report closed.",
            when=lambda row: _is_open(row) and row.message_id is not None,
            danger=True,
        ),
        Action(
            "ban",
            "Ban the person",
            ban,
            permission=REPORTS_RESOLVE.name,
            asks="All sessions of whoever was reported end, and they cannot log in until the ban is lifted. It needs the right to ban.",
            done="Banned, and the report is closed.",
            when=lambda row: _is_open(row) and row.reported_id is not None,
            danger=True,
        ),
    ),
)
