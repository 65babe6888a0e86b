"""Frames of the socket: what clients say, what they are answered, and what tells them of changes. Told apart by `type`.
`conversation_id` may be left out on `/ws/chat/{conversation_id}`.

What has a seq is an entry of the log and arrives once, in order: `message.new`, `message.updated`, `message.deleted`,
`reaction.changed` and `pin.changed`. `participant.changed` follows the entry that caused it; the others are passing and may be lost.
`notification.new` is in plaza.notifications.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias
from uuid import UUID

import msgspec

from plaza.chat.schemas import MAX_SEQ, ConversationBody, MessageBody, MessageView
from plaza.chat.schemas.presence import PresenceIds, Status
from plaza.core.realtime import Ref, Said, Told
from plaza.core.schemas import Input, View
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import SessionId, UserId


class Authenticate(Said, frozen=True, kw_only=True, tag="auth"):
    """The first frame, within 5 s, of a socket that was opened with neither ticket nor header."""

    answers = ("ready",)

    token: str


class ResumePoint(Input, frozen=True, kw_only=True):
    """Without `after_seq` only what comes from now on."""

    id: ConversationId
    after_seq: Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQ)] | None = None


class Subscribe(Said, frozen=True, kw_only=True, tag="subscribe"):
    """For resuming: all conversations are live without it. From sending it until `subscribed` a client ignores their frames."""

    answers = ("subscribed", "error")

    conversations: Annotated[list[ResumePoint], msgspec.Meta(max_length=1000)]


class SendMessage(Said, frozen=True, kw_only=True, tag="message.send"):
    """`client_id` names the message for its sender for ever: sent again, it is acknowledged with the first message."""

    conversation_id: ConversationId | None = None
    client_id: UUID
    content: str
    parent_id: MessageId | None = None
    attachments: list[str] | None = None


class EditMessage(Said, frozen=True, kw_only=True, tag="message.edit"):
    message_id: MessageId
    content: str


class DeleteMessage(Said, frozen=True, kw_only=True, tag="message.delete"):
    message_id: MessageId


class ToggleReaction(Said, frozen=True, kw_only=True, tag="reaction.toggle"):
    message_id: MessageId
    emoji: str


class MarkRead(Said, frozen=True, kw_only=True, tag="read"):
    conversation_id: ConversationId | None = None
    seq: int


class SetTyping(Said, frozen=True, kw_only=True, tag="typing"):
    """Not answered."""

    answers = ()

    conversation_id: ConversationId | None = None
    is_typing: bool


class SetPresence(Said, frozen=True, kw_only=True, tag="presence.set"):
    status: Status


class WatchPresence(Said, frozen=True, kw_only=True, tag="presence.watch"):
    """Takes the place of whomever this socket watched before."""

    user_ids: PresenceIds


class Ping(Said, frozen=True, kw_only=True, tag="ping"):
    answers = ("pong",)


Saying: TypeAlias = (
    Subscribe
    | SendMessage
    | EditMessage
    | DeleteMessage
    | ToggleReaction
    | MarkRead
    | SetTyping
    | SetPresence
    | WatchPresence
    | Ping
)


class Ready(Told, frozen=True, kw_only=True, tag="ready"):
    """The first frame of every socket: from now on all its conversations are live. A ping every `heartbeat_s` shows a dead line."""

    session_id: SessionId
    user_id: UserId
    heartbeat_s: int


class Ack(Told, frozen=True, kw_only=True, tag="ack", omit_defaults=True):
    """Only after the commit. `added` answers a toggled reaction."""

    ref: Ref
    message: MessageView | msgspec.UnsetType = msgspec.UNSET
    added: bool | msgspec.UnsetType = msgspec.UNSET


class Refused(Told, frozen=True, kw_only=True, tag="error"):
    """The socket stays open. `retry_after` is in seconds."""

    ref: Ref
    code: str
    message: str
    retry_after: float | msgspec.UnsetType = msgspec.UNSET


class Pong(Told, frozen=True, kw_only=True, tag="pong"):
    ref: Ref


class SubscribedTo(View, frozen=True, kw_only=True):
    id: ConversationId
    last_seq: int


class Subscribed(Told, frozen=True, kw_only=True, tag="subscribed"):
    """Behind it comes every entry after the asked-for seqs, in order, then live ones."""

    ref: Ref
    conversations: list[SubscribedTo]


class MessageNew(Told, frozen=True, kw_only=True, tag="message.new"):
    conversation_id: ConversationId
    seq: int
    message: MessageBody


class MessageUpdated(Told, frozen=True, kw_only=True, tag="message.updated"):
    """The message as it is when this is read: of several edits an early frame may show the last."""

    conversation_id: ConversationId
    seq: int
    message: MessageBody


class MessageDeleted(Told, frozen=True, kw_only=True, tag="message.deleted"):
    conversation_id: ConversationId
    seq: int
    message_id: MessageId


class ReactionChanged(Told, frozen=True, kw_only=True, tag="reaction.changed"):
    """`count` is how many have reacted with this emoji by now."""

    conversation_id: ConversationId
    seq: int
    message_id: MessageId
    user_id: UserId
    emoji: str
    added: bool
    count: int


class PinChanged(Told, frozen=True, kw_only=True, tag="pin.changed"):
    conversation_id: ConversationId
    seq: int
    message_id: MessageId
    user_id: UserId
    pinned: bool


Logged: TypeAlias = MessageNew | MessageUpdated | MessageDeleted | ReactionChanged | PinChanged
"""The entries of a log, and of the events feed."""


class ConversationUpdated(Told, frozen=True, kw_only=True, tag="conversation.updated"):
    conversation_id: ConversationId
    conversation: ConversationBody


class ParticipantChanged(Told, frozen=True, kw_only=True, tag="participant.changed"):
    """`role` null: no longer part of it. Whoever is removed gets this about himself as the conversation's last frame."""

    conversation_id: ConversationId
    user_id: UserId
    role: str | None


class ReadUpdated(Told, frozen=True, kw_only=True, tag="read.updated"):
    conversation_id: ConversationId
    user_id: UserId
    up_to: int


class DeliveredUpdated(Told, frozen=True, kw_only=True, tag="delivered.updated"):
    """Everything up to there was written to a device of this person. Only in small conversations; it comes up to a second later."""

    conversation_id: ConversationId
    user_id: UserId
    up_to: int


class UnreadChanged(Told, frozen=True, kw_only=True, tag="unread"):
    """To all devices of one person after his marker moved. New messages move no marker: clients count those themselves."""

    conversation_id: ConversationId
    unread: int
    mentions: int


class TypingChanged(Told, frozen=True, kw_only=True, tag="typing"):
    """Holds for 6 s."""

    conversation_id: ConversationId
    user_id: UserId
    is_typing: bool


class PresenceChanged(Told, frozen=True, kw_only=True, tag="presence.changed"):
    user_id: UserId
    status: Status
    last_seen_at: datetime | None


class SessionRevoked(Told, frozen=True, kw_only=True, tag="session.revoked"):
    """To the person's other devices; the sockets of the session itself are closed with 4401."""

    session_id: SessionId


class Sync(Told, frozen=True, kw_only=True, tag="sync"):
    """Something of the person's own has changed elsewhere: read `what` anew.

    It is one of drafts, saved, scheduled, mute, archive, blocks, invites.
    """

    what: str
