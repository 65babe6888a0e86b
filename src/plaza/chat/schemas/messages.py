"""Messages, and the changes that the log of a conversation tells besides."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from plaza.chat.models import ChangeKind
from plaza.core.schemas import Input, View
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import UserId

MAX_CONTENT = 10_000
MAX_SEQ = 2**63 - 1

_MENTION = re.compile(r"<@([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})>", re.IGNORECASE)
_EVERYBODY = "<@all>"


class NewMessage(Input, frozen=True, kw_only=True):
    """`client_id` names the message for its sender for ever: sending it again gives the first one back."""

    client_id: UUID
    content: str
    parent_id: UUID | None = None
    attachments: list[str] | None = None


class MessageDraft(msgspec.Struct, frozen=True, kw_only=True):
    sender_id: UserId
    conversation_id: ConversationId
    client_id: UUID
    content: str
    parent_id: MessageId | None = None
    has_attachments: bool = False

    @property
    def order_key(self) -> ConversationId:
        """What goes into one conversation keeps its order."""
        return self.conversation_id

    @property
    def mentioned(self) -> list[UUID]:
        """Whoever the text names; who of them takes part is known only when it is written."""
        return list(dict.fromkeys(map(UUID, _MENTION.findall(self.content)))) if "<@" in self.content else []

    @property
    def mentions_everybody(self) -> bool:
        return _EVERYBODY in self.content


class SystemEvent(View, frozen=True, kw_only=True):
    event: str
    data: dict[str, Any]


class MessageBody(View, frozen=True, kw_only=True):
    """A message as everybody sees it: what a frame carries."""

    id: MessageId
    conversation_id: ConversationId
    seq: int
    sender_id: UserId | None
    type: str
    content: str
    client_id: UUID | None
    parent_id: MessageId | None
    reply_count: int
    reactions: dict[str, int] = {}
    attachments: list[UUID] = []
    mentions: list[UserId]
    pinned: bool = False
    edit_count: int = 0
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    created_at: datetime
    system: SystemEvent | None


class MessageView(MessageBody, frozen=True, kw_only=True):
    """A message as one person sees it."""

    my_reactions: list[str] = []
    saved: bool = False

    @classmethod
    def of(cls, body: MessageBody, *, my_reactions: list[str] | None = None, saved: bool = False) -> MessageView:
        fields = {name: getattr(body, name) for name in MessageBody.__struct_fields__}
        return cls(**fields, my_reactions=my_reactions or [], saved=saved)

    def body(self) -> MessageBody:
        return MessageBody(**{name: getattr(self, name) for name in MessageBody.__struct_fields__})


class Direction(StrEnum):
    """Older and around answer the newest first, newer the oldest first."""

    OLDER = "older"
    NEWER = "newer"
    AROUND = "around"


class Span(NamedTuple):
    """Older than, newer than, or around `seq`."""

    direction: Direction
    seq: int


class SentMessage(View, frozen=True, kw_only=True):
    """`is_new` is false where the same client_id had been sent before."""

    message: MessageView
    is_new: bool


class ChangeBody(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the log that is no message: what happened to `message`, which is shown as it is now. `data` as in `models.Change`."""

    seq: int
    kind: ChangeKind
    message: MessageBody
    data: dict[str, Any]


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What has a seq: a new message, or with `change` what happened to one.

    `introduced` are the two people of a direct conversation whose first entry this is.
    """

    message: MessageBody
    change: ChangeBody | None = None
    introduced: tuple[UUID, ...] = ()

    @property
    def seq(self) -> int:
        return self.message.seq if self.change is None else self.change.seq
